-- Refuses rows before anything is written, naming place and field and never a value. Accepted means enforced: a key that
-- nothing here reads is refused, not stored (SQ002). `place` is a format for a row's number, like `jobs[%s]`. `fields` says
-- what each key holds; null counts as left out.
create or replace function supaqueue_check_rows(place text, given jsonb, fields jsonb, required text[]) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    refused record;
begin
    if jsonb_typeof(given) is distinct from 'array' then
        raise exception using errcode = 'SQ003', message = format('%s: expected an array of objects', split_part(place, '[', 1));
    end if;
    select n - 1 as number, case when jsonb_typeof(element) = 'object' then '.' || field else '' end as field,
        case when jsonb_typeof(element) = 'object' then 'a value' else 'an object' end as expected into refused
    from jsonb_array_elements(given) with ordinality as e (element, n)
    left join unnest(required) as field on true
    where jsonb_typeof(element) <> 'object' or field is not null and coalesce(element -> field, 'null') = 'null' limit 1;
    if found then
        raise exception using
            errcode = 'SQ003',
            message = format(place, refused.number) || format('%s: expected %s', refused.field, refused.expected);
    end if;
    select e.n - 1 as number, f.key as field, fields ->> f.key as kind into refused
    from jsonb_array_elements(given) with ordinality as e (element, n), jsonb_each(e.element) as f
    where not case
        when fields ->> f.key is null then false
        when f.value = 'null' then true
        when fields ->> f.key = 'JSON' then true
        when fields ->> f.key = 'a UUID' then jsonb_typeof(f.value) = 'string'
            and f.value #>> '{}' ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'
        when fields ->> f.key = '1 to 200 characters' then jsonb_typeof(f.value) = 'string'
            and length(f.value #>> '{}') between 1 and 200
        when fields ->> f.key like '% to %' then jsonb_typeof(f.value) = 'number' and f.value #>> '{}' ~ '^-?[0-9]+$'
            and (f.value #>> '{}')::numeric between split_part(fields ->> f.key, ' ', 1)::numeric
                and split_part(fields ->> f.key, ' ', 3)::numeric
        when fields ->> f.key = 'a number' then jsonb_typeof(f.value) = 'number'
            -- What is smaller is no double precision: a cast of it raises, and quotes it.
            and abs((f.value #>> '{}')::numeric) < 1e15 and (f.value = '0' or abs((f.value #>> '{}')::numeric) > 1e-300)
        when fields ->> f.key = 'an array of names' then jsonb_typeof(f.value) = 'array' and not exists (
            select from jsonb_array_elements(f.value) as name
            where jsonb_typeof(name) <> 'string' or length(name #>> '{}') not between 1 and 200)
        else jsonb_typeof(f.value) = regexp_replace(fields ->> f.key, '^an? ', '') end
    limit 1;
    if not found then
        return;
    elsif refused.kind is null then
        raise exception using
            errcode = 'SQ002',
            message = format(place, refused.number) || format('.%s: this option is not known to this database', refused.field),
            detail = format('known: %s', (select string_agg(key, ', ' order by key) from jsonb_object_keys(fields) as key)),
            hint = 'Leave it out, or run "supaqueue migrate" if a newer version enforces it.';
    end if;
    raise exception using
        errcode = 'SQ003',
        message = format(place, refused.number) || format('.%s: expected %s', refused.field, refused.kind);
end $$;
