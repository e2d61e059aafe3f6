-- The tasks that a claim leased and that are still held, for the repeat of that claim. Rare, so the leases are searched; none
-- of that claim's expires before the claim was made.
create or replace function supaqueue_held_job_tasks(
    request_id uuid, worker_id text, queues text[], out tasks jsonb, out alone boolean
)
language sql stable
set search_path from current
as $$
    select coalesce(jsonb_agg(supaqueue_claimed_job_task(t) order by t.priority desc, t.position), '[]'),
        coalesce(bool_or(t.lost_leases >= 2), false)
    from job_tasks t
    where t.queue = any (queues) and t.status in ('claimed', 'processing')
        and t.lease_expires_at > (
            select c.claimed_at from job_claims c where c.request_id = supaqueue_held_job_tasks.request_id)
        and t.claim_request = supaqueue_held_job_tasks.request_id and t.worker_id = supaqueue_held_job_tasks.worker_id
$$;
