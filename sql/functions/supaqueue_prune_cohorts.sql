-- Forgets cohorts after 90 days, and what waited after 7: a few at a time, many times as fast as they come.
create or replace function supaqueue_prune_cohorts() returns void
language plpgsql
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    at_once constant timestamptz := clock_timestamp();
begin
    delete from job_cohorts c using (
        select b.minute, b.task_type from job_cohorts b
        where b.minute < at_once - interval '90 days' order by b.minute, b.task_type limit 500
    ) as old
    where c.minute = old.minute and c.task_type = old.task_type;
    delete from job_backlogs b using (
        select o.minute from job_backlogs o where o.minute < at_once - interval '7 days' order by o.minute limit 50
    ) as old
    where b.minute = old.minute;
end $$;
