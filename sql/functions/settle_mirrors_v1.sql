-- Notes what a relay has told legacy of: `mirror_state` is what it was when it was listed. Per job `settled`, now or before;
-- `changed`: the job is in another state or epoch by now; `unknown`.
create or replace function settle_mirrors_v1(mirrors jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_settled(mirrors);
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(mirrors) as e));
    update jobs j set mirror_state = supaqueue_settled_state(g.mirror_state)
    from jsonb_to_recordset(mirrors) as g (job_id uuid, epoch integer, mirror_state text)
    cross join lateral (select b.ctid as place, b.epoch, b.mirror_state from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.epoch = g.epoch and before.mirror_state = g.mirror_state;
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.job_id is null then 'unknown'
            when j.epoch = g.epoch and j.mirror_state = supaqueue_settled_state(g.mirror_state) then 'settled'
            else 'changed' end) order by g.n), '[]')
        from rows from (jsonb_to_recordset(mirrors) as (job_id uuid, epoch integer, mirror_state text))
            with ordinality as g (job_id, epoch, mirror_state, n)
        left join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j on true
    );
end $$;
