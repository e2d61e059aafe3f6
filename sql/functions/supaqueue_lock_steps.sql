-- Lets one session at a time declare or decide a step, so that what it reads in its next statement holds.
create or replace function supaqueue_lock_steps() returns void
language sql volatile
set search_path from current
as $$ select pg_advisory_xact_lock(hashtextextended('supaqueue rollout_steps ' || current_schema(), 0)) $$;
