-- Refuses repairs of what legacy does not own, or of which it is not said when it was accepted.
create or replace function supaqueue_check_mirror_repairs(new_jobs jsonb, accepted_at text[], repaired_by text) returns void
language plpgsql stable
set search_path from current
as $$
declare
    place bigint;
    expected text;
begin
    select e.n - 1 into place from jsonb_array_elements(new_jobs) with ordinality as e (element, n)
    where e.element ->> 'owner' is distinct from 'legacy' limit 1;
    if found then
        expected := format('jobs[%s].owner: expected legacy', place);
    elsif coalesce(cardinality(accepted_at), 0) <> jsonb_array_length(new_jobs) or exists (
        select from unnest(accepted_at) as a where supaqueue_is_moment(a) is not true) then
        expected := 'accepted_at: expected a moment for each job, like 2030-01-31T12:00:00Z';
    elsif length(repaired_by) > 200 then
        expected := 'repaired_by: expected at most 200 characters';
    end if;
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
