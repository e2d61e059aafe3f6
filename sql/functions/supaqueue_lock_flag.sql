-- Waits for the claims in flight and holds up new ones until this transaction ends: what it changes holds from the next claim on.
create or replace function supaqueue_lock_flag() returns void
language sql volatile
set search_path from current
as $$ select pg_advisory_xact_lock(hashtextextended('supaqueue feature_flag ' || current_schema(), 0)) $$;
