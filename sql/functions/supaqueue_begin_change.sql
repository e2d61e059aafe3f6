-- Records what an operator changes; false if that request was recorded before: a repeat, or an original that arrives after its
-- repeat, changes nothing, also if the thing was changed again meanwhile. Its unique index makes one wait for the other.
create or replace function supaqueue_begin_change(
    request_id uuid, function_name text, change jsonb, changed_by text
) returns boolean
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
begin
    insert into job_changes (request_id, function, change, changed_by)
    values (supaqueue_begin_change.request_id, function_name, supaqueue_begin_change.change, supaqueue_begin_change.changed_by)
    on conflict do nothing;
    return found;
end $$;
