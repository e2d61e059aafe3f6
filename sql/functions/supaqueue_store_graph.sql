-- Stores the tasks of one job: those with none before them are pending, the others blocked. How each is tried its own type decides
-- where it says nothing; the deadline is that of the whole.
-- What is joined here are lists of thousands, of which the planner knows no sizes.
create or replace function supaqueue_store_graph(j jobs, given jsonb, at_once timestamptz) returns void
language plpgsql
set search_path from current
set enable_nestloop = off
as $$
#variable_conflict use_column
declare
    has_limits constant boolean := exists (select from job_running_limits);
    asked record;
    begins_at timestamptz;
    ends_at timestamptz;
    names jsonb;
begin
    select * into asked from jsonb_to_record(given) as r (run_at timestamptz, delay_seconds double precision, deadline_at timestamptz,
        deadline_seconds double precision, priority smallint, tasks jsonb);
    begins_at := coalesce(asked.run_at, at_once + make_interval(secs => asked.delay_seconds), at_once);
    -- One that has passed passes now, as of any job.
    ends_at := greatest(at_once, coalesce(asked.deadline_at, begins_at + make_interval(secs => asked.deadline_seconds),
        begins_at + (select b.deadline from job_task_types b where b.task_type = (j).task_type)));
    if coalesce(asked.deadline_at::text, asked.deadline_seconds::text) is null
        and not exists (select from job_task_types b where b.task_type = (j).task_type and b.deadline is not null) then
        ends_at := null;
    end if;
    names := (
        select jsonb_object_agg(e.element ->> 'name', e.n - 1)
        from jsonb_array_elements(asked.tasks) with ordinality as e (element, n));
    with tasks as materialized (
        select (e.n - 1)::smallint as task_number, coalesce(e.element -> 'payload', 'null') as payload, e.name, e.task_type, e.max_attempts,
            make_interval(secs => e.retry_delay_seconds) as retry_delay, e.retry_factor,
            make_interval(secs => e.retry_max_delay_seconds) as retry_max_delay, e.retry_jitter,
            make_interval(secs => e.timeout_seconds) as timeout, coalesce(nullif(e.after, 'null'), '[]') as after
        from rows from (
            jsonb_array_elements(asked.tasks),
            jsonb_to_recordset(asked.tasks) as (name text, task_type text, max_attempts integer, retry_delay_seconds double precision,
                retry_factor real, retry_max_delay_seconds double precision, retry_jitter boolean, timeout_seconds double precision,
                "after" jsonb)
        ) with ordinality as e (element, name, task_type, max_attempts, retry_delay_seconds, retry_factor, retry_max_delay_seconds,
            retry_jitter, timeout_seconds, after, n)
    ), edges as materialized (
        select t.task_number as child, (names -> a.name)::smallint as parent
        from tasks t cross join lateral jsonb_array_elements_text(t.after) as a (name)
    ), before_it as (
        select e.child as task_number, array_agg(e.parent order by e.parent) as numbers from edges e group by e.child
    ), behind_it as (
        select e.parent as task_number, array_agg(e.child order by e.child) as numbers from edges e group by e.parent
    )
    insert into job_tasks (job_id, task_number, queue, task_type, status, tenant, priority, payload, run_at, position, max_attempts,
        retry_delay, retry_factor, retry_max_delay, retry_jitter, timeout, deadline_at, releases_key, task_name, waits_for, runs_after,
        runs_before)
    select (j).job_id, o.task_number, (j).queue, o.task_type, case when o.before_it is null then 'pending' else 'blocked' end,
        case when has_limits then supaqueue_turn_of((j).queue, o.task_type, (j).tenant) else (j).tenant end,
        coalesce(asked.priority, 0), o.payload, begins_at,
        case when o.before_it is null and begins_at <= at_once then nextval('job_task_position') end,
        coalesce(o.max_attempts, p.max_attempts, 5), coalesce(o.retry_delay, p.retry_delay, interval '5 s'),
        coalesce(o.retry_factor, p.retry_factor, 2), coalesce(o.retry_max_delay, p.retry_max_delay, interval '1 h'),
        coalesce(o.retry_jitter, p.retry_jitter, true), coalesce(o.timeout, p.timeout), ends_at,
        o.before_it is null and (j).unique_until is not distinct from 'started', o.name, coalesce(cardinality(o.before_it), 0),
        o.before_it, o.behind_it
    from (
        select t.*, a.numbers as before_it, b.numbers as behind_it
        from tasks t left join before_it a using (task_number) left join behind_it b using (task_number)
        order by t.task_number
    ) as o
    left join lateral (select * from job_task_types b where b.task_type = o.task_type offset 0) as p on true
    order by o.task_number;
end $$;
