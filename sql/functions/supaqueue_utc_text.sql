-- The same text in every session, whatever its time zone.
create or replace function supaqueue_utc_text(moment timestamptz) returns text
language sql stable strict parallel safe
set search_path from current
return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
