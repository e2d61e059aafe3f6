-- What was declared for jobs of each type, by name; what is left out is as built in.
create or replace function list_task_types_v1(contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
begin
    perform supaqueue_check_call(contract_version);
    return (
        select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('task_type', t.task_type, 'max_attempts', t.max_attempts,
            'retry_delay_seconds', extract(epoch from t.retry_delay), 'retry_factor', t.retry_factor,
            'retry_max_delay_seconds', extract(epoch from t.retry_max_delay), 'retry_jitter', t.retry_jitter,
            'timeout_seconds', extract(epoch from t.timeout), 'deadline_seconds', extract(epoch from t.deadline)))
            order by t.task_type), '[]')
        from job_task_types t
    );
end $$;
