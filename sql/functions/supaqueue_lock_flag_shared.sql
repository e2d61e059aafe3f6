-- The claim's first statement. A change of the flag takes the same lock exclusively, so that once it has committed no claim
-- that read the flag before it can still lease a task.
create or replace function supaqueue_lock_flag_shared() returns void
language sql volatile
set search_path from current
as $$ select pg_advisory_xact_lock_shared(hashtextextended('supaqueue feature_flag ' || current_schema(), 0)) $$;
