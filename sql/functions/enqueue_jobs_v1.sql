-- Stores jobs, each with one task; what a job leaves open, its task type decides (set_task_types_v1). Repeatable: per job
-- `created`, `exists` (same id, same content), `conflict` (same id, other content, or abandoned), or `flag_changed` (nothing was
-- stored: the row says that Supabase owns it, and the flag does not: decide again); with the owner that it has. One that met a unique
-- key is `deduplicated`, or has changed the job that holds it: `replaced`, `pushed_back`; with that job (`deduped_into`), and so is
-- its repeat. `wait_seconds` with a row: the queue is over its limit (limit_waiting_v1), and its producers are to wait that long.
create or replace function enqueue_jobs_v1(jobs jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
    perform supaqueue_check_call(contract_version);
    return supaqueue_enqueue_jobs(jobs, is_limited => true);
end $$;
