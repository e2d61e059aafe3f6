-- Records that handlers have begun: claimed becomes processing, and a unique key that is held until then is
-- released. `started` is an array of (job_id, task_number, lease_token).
create or replace function supaqueue_start_job_tasks(started jsonb, starter text) returns void
language plpgsql
set search_path from current
as $$
declare
    at_once timestamptz;
    released uuid[];
begin
    if started = '[]' then
        return;
    end if;
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(started) as e));
    at_once := clock_timestamp();
    with begun as (
        update job_tasks t set status = 'processing', started_at = at_once,
            lease_expires_at = supaqueue_lease_end(t.lease_expires_at, at_once, at_once, t.timeout, t.deadline_at)
        from jsonb_to_recordset(started) as s (job_id uuid, task_number smallint, lease_token bigint)
        cross join lateral (
            select b.ctid as place, b.status, b.lease_token, b.worker_id from job_tasks b
            where b.job_id = s.job_id and b.task_number = s.task_number offset 0
        ) as before
        where t.ctid = before.place and before.lease_token = s.lease_token and before.status = 'claimed'
            and before.worker_id = starter
        returning t.job_id, t.releases_key
    )
    select array_agg(job_id) into released from begun where releases_key;
    if released is not null then
        perform supaqueue_release_keys(released);
    end if;
end $$;
