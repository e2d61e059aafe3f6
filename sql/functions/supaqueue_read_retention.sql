-- The moments that a policy's ages mean now. An abandoned job is kept for as long as a tombstone at least, whatever its status:
-- it also makes a late enqueue of its id conflict.
create or replace function supaqueue_read_retention(policy jsonb) returns job_retention
language plpgsql volatile
set search_path from current
as $$
declare
    r job_retention;
    at_once constant timestamptz := clock_timestamp();
begin
    r.completed_before := at_once - make_interval(secs => (policy ->> 'completed_seconds')::double precision);
    r.failed_before := at_once - make_interval(secs => (policy ->> 'failed_seconds')::double precision);
    r.cancelled_before := at_once - make_interval(secs => (policy ->> 'cancelled_seconds')::double precision);
    r.tombstone_before := at_once - make_interval(secs => (policy ->> 'tombstone_seconds')::double precision);
    r.probe_before := at_once - make_interval(secs => (policy ->> 'probe_seconds')::double precision);
    r.abandoned_before := coalesce(r.tombstone_before, at_once - interval '7 days');
    r.latest := greatest(
        r.completed_before, r.failed_before, r.cancelled_before, r.tombstone_before, r.probe_before);
    r.queue := policy ->> 'queue';
    r.task_type := policy ->> 'task_type';
    return r;
end $$;
