-- Like supaqueue_lock_jobs, but passes over jobs that another session holds and never waits. Returns the ids of those that
-- it locked.
create or replace function supaqueue_lock_free_jobs(job_ids uuid[]) returns uuid[]
language plpgsql
set search_path from current
as $$
begin
    return (
        select array_agg(given.job_id)
        from (select distinct u.job_id from unnest(job_ids) as u (job_id) order by u.job_id) as given
        cross join lateral (
            select from jobs j where j.job_id = given.job_id for no key update skip locked
        ) as locked
    );
end $$;
