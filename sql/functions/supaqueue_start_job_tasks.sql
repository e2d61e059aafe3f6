-- Records that handlers have begun: claimed becomes processing. `started` is an array of (job_id, task_number, lease_token).
create or replace function supaqueue_start_job_tasks(started jsonb) returns void
language plpgsql
set search_path from current
as $$
begin
    if jsonb_array_length(coalesce(started, '[]')) = 0 then
        return;
    end if;
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(started) as e));
    update job_tasks t set status = 'processing', started_at = clock_timestamp()
    from jsonb_to_recordset(started) as s (job_id uuid, task_number smallint, lease_token bigint)
    where t.job_id = s.job_id and t.task_number = s.task_number and t.lease_token = s.lease_token
        and t.status = 'claimed';
end $$;
