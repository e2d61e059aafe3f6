-- For how long the oldest job of legacy's has been due that has not ended, as far as is known here, by type. A few that are stuck
-- or lost do not tell of a queue: as many as one percent of what came in a quarter of an hour, or one, are passed over.
create or replace function supaqueue_control_oldest(at_once timestamptz)
returns table (task_type text, oldest_seconds double precision)
language plpgsql stable
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
begin
    return query
    with came as materialized (
        select e.key as task_type, ceil(sum((e.value ->> 'control_arrivals')::bigint) / 100)::integer as passed_over
        from job_backlogs b cross join lateral jsonb_each(b.types) as e
        where b.minute > at_once - interval '15 minutes' group by e.key
    )
    select w.task_type, coalesce(extract(epoch from at_once - (array_agg(w.due_at order by w.due_at))[
        1 + greatest(1, coalesce((select c.passed_over from came c where c.task_type = w.task_type), 0))]), 0)::double precision
    from (
        select j.task_type, greatest(j.created_at, t.run_at) as due_at
        from (
            select b.job_id, b.task_type, b.created_at from jobs b
            where b.owner = 'legacy' and b.owner_ended_at is null and b.abandoned_at is null
                and b.created_at >= at_once - interval '1 day'
            order by b.created_at, b.job_id limit 200000
        ) as j
        cross join lateral (
            select b.run_at from job_tasks b
            where b.job_id = j.job_id and b.task_number = 0 and b.purpose = 'run' and b.run_at <= at_once offset 0
        ) as t
    ) as w
    group by w.task_type;
end $$;
