create or replace function supaqueue_refuse_unknown_outcomes(tasks jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    known constant text[] := array['done', 'retry', 'snooze', 'cancel', 'fail', 'not_started'];
    place text;
begin
    select format('tasks[%s].outcome', n - 1) into place
    from jsonb_array_elements(tasks) with ordinality as e (element, n)
    where coalesce(element ->> 'outcome' <> all (known), true) limit 1;
    if found then
        raise exception using
            errcode = 'SQ003',
            message = format('%s: expected one of %s', place, array_to_string(known, ', '));
    end if;
end $$;
