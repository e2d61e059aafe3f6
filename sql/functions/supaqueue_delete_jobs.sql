-- The one place where jobs are deleted; tasks and attempts go with them, and what was repaired of them. The caller holds the jobs' locks.
create or replace function supaqueue_delete_jobs(job_ids uuid[]) returns void
language plpgsql
set search_path from current
as $$
begin
    delete from jobs j using unnest(job_ids) as g (job_id)
    cross join lateral (select b.ctid as place from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place;
    delete from job_repairs r using unnest(job_ids) as g (job_id)
    cross join lateral (select b.ctid as place from job_repairs b where b.job_id = g.job_id offset 0) as before
    where r.ctid = before.place;
end $$;
