create or replace function supaqueue_moment(microseconds bigint) returns timestamptz
language sql stable strict parallel safe
set search_path from current
return to_timestamp(microseconds / 1000000.0::double precision);
