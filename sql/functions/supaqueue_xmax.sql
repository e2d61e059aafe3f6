-- The first transaction number not yet given out, as of this statement.
create or replace function supaqueue_xmax() returns bigint
language sql volatile
set search_path from current
as $$ select pg_snapshot_xmax(pg_current_snapshot())::text::bigint $$;
