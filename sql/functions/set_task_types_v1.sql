-- Declares what jobs of a type get unless they say otherwise: attempts, backoff, timeout, deadline. Decided when a job is
-- enqueued, so that what was accepted stays as it was. An option that is left out falls back to the built-in one. Repeatable by
-- request id.
create or replace function set_task_types_v1(
    request_id uuid, task_types jsonb, changed_by text, contract_version integer
) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_task_types(request_id, task_types, changed_by);
    if supaqueue_begin_change(request_id, 'set_task_types_v1', task_types, changed_by) then
        with given as (
            select distinct on (g.task_type) g.task_type, g.max_attempts,
                make_interval(secs => g.retry_delay_seconds) as retry_delay, g.retry_factor,
                make_interval(secs => g.retry_max_delay_seconds) as retry_max_delay, g.retry_jitter,
                make_interval(secs => g.timeout_seconds) as timeout, make_interval(secs => g.deadline_seconds) as deadline
            from rows from (
                jsonb_to_recordset(set_task_types_v1.task_types) as (task_type text, max_attempts integer,
                    retry_delay_seconds double precision, retry_factor real, retry_max_delay_seconds double precision,
                    retry_jitter boolean, timeout_seconds double precision, deadline_seconds double precision)
            ) with ordinality as g (task_type, max_attempts, retry_delay_seconds, retry_factor, retry_max_delay_seconds,
                retry_jitter, timeout_seconds, deadline_seconds, n)
            order by g.task_type, g.n
        )
        insert into job_task_types as t (task_type, max_attempts, retry_delay, retry_factor, retry_max_delay, retry_jitter,
            timeout, deadline)
        select * from given
        on conflict (task_type) do update set max_attempts = excluded.max_attempts, retry_delay = excluded.retry_delay,
            retry_factor = excluded.retry_factor, retry_max_delay = excluded.retry_max_delay,
            retry_jitter = excluded.retry_jitter, timeout = excluded.timeout, deadline = excluded.deadline,
            updated_at = clock_timestamp()
        where (t.max_attempts, t.retry_delay, t.retry_factor, t.retry_max_delay, t.retry_jitter, t.timeout, t.deadline)
            is distinct from (excluded.max_attempts, excluded.retry_delay, excluded.retry_factor,
                excluded.retry_max_delay, excluded.retry_jitter, excluded.timeout, excluded.deadline);
    end if;
    return (
        select coalesce(jsonb_agg(jsonb_build_object('task_type', e.element ->> 'task_type', 'answer', 'set')
            order by e.n), '[]')
        from jsonb_array_elements(task_types) with ordinality as e (element, n)
    );
end $$;
