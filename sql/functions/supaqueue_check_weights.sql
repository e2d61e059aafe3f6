create or replace function supaqueue_check_weights(weights jsonb, queues text[]) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    expected constant text := case
        when weights is null then null
        when jsonb_typeof(weights) <> 'object' then 'weights: expected an object, of queues and numbers'
        when exists (select from jsonb_object_keys(weights) as name where name <> all (queues))
            then 'weights: expected names of the queues alone'
        when exists (
            select from jsonb_each(weights) as w
            where case jsonb_typeof(w.value) when 'number' then w.value::numeric not between 0.001 and 1000 else true end)
            then 'weights: expected numbers from 0.001 to 1000' end;
begin
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
