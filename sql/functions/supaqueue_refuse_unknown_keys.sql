-- Accepted means enforced: a row with a key that nothing here reads is refused, not stored.
create or replace function supaqueue_refuse_unknown_keys(argument text, given jsonb, known text[]) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    place text;
begin
    if jsonb_typeof(given) is distinct from 'array' then
        raise exception using errcode = 'SQ003', message = format('%s: expected an array of objects', argument);
    end if;
    select format('%s[%s]', argument, n - 1) into place
    from jsonb_array_elements(given) with ordinality as e (element, n)
    where jsonb_typeof(element) <> 'object' limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('%s: expected an object', place);
    end if;
    select format('%s[%s].%s', argument, n - 1, key) into place
    from jsonb_array_elements(given) with ordinality as e (element, n), jsonb_object_keys(element) as key
    where key <> all (known) limit 1;
    if found then
        raise exception using
            errcode = 'SQ002',
            message = format('%s: this option is not known to this database', place),
            detail = format('known: %s', array_to_string(known, ', ')),
            hint = 'Leave it out, or run "supaqueue migrate" if a newer version enforces it.';
    end if;
end $$;
