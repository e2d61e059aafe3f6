create or replace function supaqueue_microseconds(moment timestamptz) returns bigint
language sql stable strict parallel safe
set search_path from current
return (extract(epoch from moment) * 1000000)::bigint;
