-- Stores jobs in the caller's own transaction: as enqueue_jobs_v1, of the newest version, for functions and triggers in this database. A
-- row may leave out its `queue` (default) and its `job_id`, which is then made here, by its `idempotency_key` if it has one. Who owns
-- it, the flag decides. An answer per row, in order.
create or replace function enqueue_jobs(jobs jsonb) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
    perform supaqueue_check_call((contract_version_v1() ->> 'newest')::integer);
    return supaqueue_enqueue_jobs(supaqueue_with_job_ids(jobs), is_limited => true);
end $$;
