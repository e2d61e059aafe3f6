-- Refuses mirrors in a state that is not settled by telling legacy.
create or replace function supaqueue_check_settled(mirrors jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    place bigint;
begin
    perform supaqueue_check_rows('mirrors[%s]', mirrors,
        '{"job_id": "a UUID", "epoch": "0 to 2147483647", "mirror_state": "a string"}', array['job_id', 'epoch', 'mirror_state']);
    select e.n - 1 into place
    from jsonb_array_elements(mirrors) with ordinality as e (element, n)
    where supaqueue_settled_state(element ->> 'mirror_state') is null limit 1;
    if found then
        raise exception using errcode = 'SQ003',
            message = format('mirrors[%s].mirror_state: expected due, end_due or release_due', place);
    end if;
end $$;
