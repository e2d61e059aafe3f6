-- Jobs stored from `began` on and before `ended` by type, of either owner. A job that counts no task is a probe's: none came with it
-- to be run, and no type of its own is to be judged for it.
create or replace function supaqueue_arrivals(began timestamptz, ended timestamptz)
returns table (task_type text, canary bigint, control bigint)
language plpgsql stable
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
    return query
    select j.task_type, count(*) filter (where j.owner = 'supabase'), count(*) filter (where j.owner = 'legacy')
    from jobs j
    where j.created_at >= began and j.created_at < ended and j.task_type is not null and j.task_count > 0 and j.deduped_into is null
    group by j.task_type;
end $$;
