-- A queue and its pause as readers see them; `paused_until` is null if only a resume ends the pause.
create or replace function supaqueue_paused_queue(q job_queues) returns jsonb
language sql volatile
set search_path from current
return jsonb_build_object('queue', (q).queue,
    'paused', coalesce((q).paused_until > clock_timestamp(), false),
    'paused_until', case when isfinite((q).paused_until) then (q).paused_until end,
    'paused_by', (q).paused_by, 'reason', (q).reason);
