-- The beginning of a moment's minute.
create or replace function supaqueue_minute(moment timestamptz) returns timestamptz
language sql immutable strict parallel safe
return date_bin('1 minute', moment, '2000-01-01T00:00:00Z'::timestamptz);
