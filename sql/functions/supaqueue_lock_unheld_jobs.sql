-- Locks jobs to delete them, in id order, and returns the ids of those that it locked. Passes over what any other session holds:
-- what is held is being changed, and a removal can wait for its next pass better than a move can wait for a removal.
create or replace function supaqueue_lock_unheld_jobs(job_ids uuid[]) returns uuid[]
language plpgsql
set search_path from current
as $$
begin
    return (
        select array_agg(locked.job_id)
        from (select distinct u.job_id from unnest(job_ids) as u (job_id) order by u.job_id) as given
        cross join lateral (select j.job_id from jobs j where j.job_id = given.job_id for update skip locked) as locked
    );
end $$;
