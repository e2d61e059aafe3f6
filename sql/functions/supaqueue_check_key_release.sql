create or replace function supaqueue_check_key_release(request_id uuid, keys jsonb, reason text, changed_by text) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    expected text;
begin
    perform supaqueue_check_rows('keys[%s]', keys, '{"queue": "1 to 200 characters", "order_key": "1 to 200 characters"}',
        array['queue', 'order_key']);
    expected := case
        when request_id is null then 'request_id: expected a UUID'
        when jsonb_array_length(keys) not between 1 and 1000 then 'keys: expected 1 to 1000'
        when length(reason) > 1000 then 'reason: expected at most 1000 characters'
        when length(changed_by) > 200 then 'changed_by: expected at most 200 characters' end;
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
