-- Sorts the types that a worker serves by what a claim may take of them now: `run` is open, or drained (`drain`): then only
-- what is held; `shadow` has a share that runs without effects. Probes always may.
create or replace function supaqueue_claim_types(task_types text[]) returns job_claim_types
language sql stable
set search_path from current
as $$
    select row(
        array_agg(s.task_type order by s.task_type) filter (where s.is_open or s.drain),
        array_agg(s.task_type order by s.task_type) filter (where s.drain and (not s.is_open or s.hand_back <> 'none')),
        array_agg(s.task_type order by s.task_type) filter (where s.shadow_percent > 0),
        task_types)::job_claim_types
    from (
        select u.task_type, queue_is_open(u.task_type) as is_open,
            coalesce(t.drain, o.drain) as drain, coalesce(t.hand_back, o.hand_back) as hand_back,
            coalesce(t.shadow_percent, o.shadow_percent) as shadow_percent
        from unnest(task_types) as u (task_type)
        cross join lateral (select * from feature_flag f where f.flag_name = 'supabase_queue' offset 0) as o
        left join lateral (
            select * from feature_flag f where f.flag_name = 'supabase_queue:' || u.task_type offset 0
        ) as t on true
    ) as s
$$;
