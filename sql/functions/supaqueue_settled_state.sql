-- What a mirror state becomes once legacy was told.
create or replace function supaqueue_settled_state(mirror_state text) returns text
language sql immutable parallel safe
set search_path from current
return case mirror_state when 'due' then 'written' when 'end_due' then 'settled' when 'release_due' then 'released' end;
