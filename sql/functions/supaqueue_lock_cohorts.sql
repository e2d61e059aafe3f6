-- Up to which minute cohorts have been counted; the caller has the right to go on from there until its transaction ends. What lies
-- before `since`, in whole minutes, is not counted any more.
create or replace function supaqueue_lock_cohorts(since timestamptz) returns timestamptz
language plpgsql
set search_path from current
as $$
declare
    first_minute constant timestamptz := date_bin('1 minute', since + interval '59.999999 s', 'epoch');
    counted timestamptz;
begin
    insert into job_cohort_marks (counted_until) values (first_minute) on conflict do nothing;
    select greatest(m.counted_until, first_minute) into counted from job_cohort_marks m for update;
    return counted;
end $$;
