-- Every move's first statement: the jobs it touches, in id order, so that no two moves wait for each other in a circle.
--
-- Here as everywhere: a lateral subquery that is fenced (by a lock or "offset 0") and names a whole primary key is looked up
-- by that key once per row, in the order of the rows. A plain join may be planned the other way round while a table is new or
-- has no statistics, and would then read all of an index.
create or replace function supaqueue_lock_jobs(job_ids uuid[]) returns void
language plpgsql
set search_path from current
as $$
begin
    perform from (select distinct u.job_id from unnest(job_ids) as u (job_id) order by u.job_id) as given
    cross join lateral (select from jobs j where j.job_id = given.job_id for no key update) as locked;
end $$;
