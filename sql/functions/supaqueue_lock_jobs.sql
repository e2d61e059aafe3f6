-- Every move's first statement: the jobs it touches, in id order, so that no two moves wait for each other in a circle.
-- Returns the ids that exist.
create or replace function supaqueue_lock_jobs(job_ids uuid[]) returns uuid[]
language sql volatile
set search_path from current
as $$
    with locked as (
        select job_id from jobs where job_id = any (job_ids) order by job_id for no key update
    )
    select array_agg(job_id) from locked
$$;
