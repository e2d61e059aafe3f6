-- Why a lease was lost: a worker that is stuck may go on to renew it, but not for long after the timeout or the deadline.
create or replace function supaqueue_lease_error(t job_tasks, at_once timestamptz) returns jsonb
language sql stable
set search_path from current
return case
    when (t).started_at + (t).timeout < at_once then jsonb_build_object('type', 'TimedOut', 'message',
        format('worker %s did not end it after its timeout of %s', (t).worker_id, (t).timeout))
    when (t).started_at is not null and (t).deadline_at < at_once then jsonb_build_object('type', 'TimedOut', 'message',
        format('worker %s did not end it at its deadline', (t).worker_id))
    else jsonb_build_object('type', 'LeaseLost', 'message',
        format('worker %s stopped renewing its lease', (t).worker_id)) end;
