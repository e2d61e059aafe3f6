-- The overall flag.
create or replace function supaqueue_overall_flag() returns feature_flag
language sql stable
set search_path from current
as $$ select f from feature_flag f where f.flag_name = 'supabase_queue' $$;
