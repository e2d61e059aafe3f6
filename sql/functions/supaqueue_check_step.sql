-- Refuses a step, or a decision on one, before anything is written. `fields` says what each key holds.
create or replace function supaqueue_check_step(place text, given jsonb, fields jsonb, required text[], rates text[]) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    field text;
begin
    perform supaqueue_check_rows(place, jsonb_build_array(given), fields, required);
    foreach field in array rates loop
        if (given ->> field)::double precision not between 0 and 1 then
            raise exception using errcode = 'SQ003', message = format('%s.%s: expected 0 to 1', place, field);
        end if;
    end loop;
    if length(given ->> 'reason') not between 1 and 1000 then
        raise exception using errcode = 'SQ003', message = format('%s.reason: expected 1 to 1000 characters', place);
    end if;
end $$;
