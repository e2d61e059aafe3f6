-- Cancels jobs: waiting tasks at once, running ones through the answer to their worker's next heartbeat. Repeatable: per job
-- `cancelled`, `requested` (still running), `finished` (completed or failed before), `deduplicated` (there is
-- nothing of it to cancel: another job runs in its place) or `unknown`.
create or replace function cancel_jobs_v1(job_ids uuid[], contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_job_ids(job_ids);
    perform supaqueue_cancel_jobs(job_ids);
    perform supaqueue_take_back(job_ids);
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.job_id is null then 'unknown'
            when j.status = 'cancelled' then 'cancelled'
            when j.status = 'deduplicated' then 'deduplicated'
            when j.status in ('pending', 'processing') then 'requested'
            when j.status = 'mirrored' and j.owner_outcome ->> 'status' = 'cancelled' then 'cancelled'
            when j.status = 'mirrored' and j.owner_ended_at is null then 'not_owner'
            else 'finished' end) order by g.n), '[]')
        from unnest(job_ids) with ordinality as g (job_id, n)
        left join lateral (select * from jobs j where j.job_id = g.job_id offset 0) as j on true
    );
end $$;
