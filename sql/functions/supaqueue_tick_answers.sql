-- What became of each tick, in the order asked.
create or replace function supaqueue_tick_answers(schedule_name text, ticks timestamptz[], created uuid[]) returns jsonb
language sql stable
set search_path from current
as $$
    select coalesce(jsonb_agg(jsonb_build_object('tick', t.tick, 'job_id', m.job_id, 'answer', case
        when m.job_id = any (created) then 'created'
        when j.job_id is not null then 'exists'
        else 'passed' end) order by t.n), '[]')
    from unnest(ticks) with ordinality as t (tick, n)
    cross join lateral (select supaqueue_tick_job_id(schedule_name, t.tick) as job_id offset 0) as m
    left join lateral (select j.job_id from jobs j where j.job_id = m.job_id and j.deduped_into is null offset 0) as j on true
$$;
