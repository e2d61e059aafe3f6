-- Whether one of the two systems has a job that has not ended, as far as is known here. Each look is the first entry of an index.
create or replace function supaqueue_has_open_jobs(given_owner text) returns boolean
language sql stable
set search_path from current
set enable_seqscan = off
as $$
    select case given_owner
        when 'legacy' then exists (
            select from jobs j where j.owner = 'legacy' and j.owner_ended_at is null and j.abandoned_at is null)
        else exists (select from job_tasks t where t.status = 'pending' and t.position is not null and t.purpose = 'run')
            or exists (select from job_tasks t where t.status = 'pending' and t.position is null and t.purpose = 'run')
            or exists (select from job_tasks t where t.status = 'blocked' and t.order_key is not null)
            or exists (select from job_tasks t where t.status in ('claimed', 'processing') and t.purpose = 'run') end
$$;
