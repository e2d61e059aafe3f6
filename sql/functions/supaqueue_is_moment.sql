-- Postgres 15 has no pg_input_is_valid. Words like "now" or "infinity" are none: they would mean another moment when repeated.
create or replace function supaqueue_is_moment(given text) returns boolean
language plpgsql stable strict
set search_path from current
as $$
begin
    return given ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)$' and isfinite(given::timestamptz);
exception when data_exception then
    return false;
end $$;
