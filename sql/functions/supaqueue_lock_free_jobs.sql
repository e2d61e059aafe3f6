-- Like supaqueue_lock_jobs, but passes over jobs that another session holds and never waits; only jobs owned here.
create or replace function supaqueue_lock_free_jobs(job_ids uuid[]) returns uuid[]
language sql volatile
set search_path from current
as $$
    with locked as (
        select job_id from jobs where job_id = any (job_ids) and owner = 'supabase'
        order by job_id for no key update skip locked
    )
    select array_agg(job_id) from locked
$$;
