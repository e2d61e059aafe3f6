-- Refuses outcomes before anything is written.
create or replace function supaqueue_check_outcomes(outcomes jsonb) returns void
language plpgsql stable
set search_path from current
as $$
declare
    refused record;
begin
    perform supaqueue_check_rows('outcomes[%s]', outcomes,
        '{"job_id": "a UUID", "epoch": "0 to 2147483647", "status": "a string", "result": "JSON", "error": "JSON",
          "attempts": "0 to 2147483647", "starts": "0 to 2147483647", "ended_at": "a string"}', array['job_id', 'epoch', 'status']);
    select e.n - 1 as place, c.problem into refused
    from jsonb_array_elements(outcomes) with ordinality as e (element, n),
    lateral (select case
        when element ->> 'status' not in ('completed', 'failed', 'cancelled') then 'status: expected completed, failed or cancelled'
        when not supaqueue_is_moment(element ->> 'ended_at') then 'ended_at: expected a moment, like 2030-01-31T12:00:00Z'
        end as problem) as c
    where c.problem is not null limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('outcomes[%s].%s', refused.place, refused.problem);
    end if;
end $$;
