-- Asked by every claim, in a statement after the claim's shared lock, which a pause takes exclusively.
create or replace function supaqueue_queue_is_paused(queue_name text) returns boolean
language sql volatile
set search_path from current
as $$ select exists (select from job_queues q where q.queue = queue_name and q.paused_until > clock_timestamp()) $$;
