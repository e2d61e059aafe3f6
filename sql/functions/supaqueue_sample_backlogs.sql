-- Notes, once in a minute, what waits by task type, and what came since the last note; nothing is made of what came in a gap. The
-- caller has locked the cohorts' mark, so that one does it at a time.
create or replace function supaqueue_sample_backlogs() returns void
language plpgsql
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    at_once constant timestamptz := clock_timestamp();
    previous constant timestamptz := (
        select max(b.sampled_at) from job_backlogs b where b.minute > at_once - interval '3 minutes');
begin
    if previous >= date_bin('1 minute', at_once, 'epoch') then
        return;
    end if;
    insert into job_backlogs (minute, sampled_at, types)
    select date_bin('1 minute', at_once, 'epoch'), at_once, coalesce(jsonb_object_agg(task_type, jsonb_build_object(
        'is_open', queue_is_open(task_type), 'unfinished', coalesce(w.unfinished, 0),
        'oldest_seconds', coalesce(w.oldest_seconds, 0), 'canary_arrivals', coalesce(a.canary, 0),
        'control_arrivals', coalesce(a.control, 0), 'control_oldest_seconds', coalesce(o.oldest_seconds, 0))), '{}')
    from supaqueue_unfinished_tasks(at_once) as w
    full join supaqueue_arrivals(greatest(previous, at_once - interval '2 minutes'), at_once) as a using (task_type)
    full join supaqueue_control_oldest(at_once) as o using (task_type);
end $$;
