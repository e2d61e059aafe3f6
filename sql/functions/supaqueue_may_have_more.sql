-- Whether a claim under limits that did not read its lines to their end may find more at once: a worker that asked again for what a
-- limit holds back would ask for ever. A claim that came no further says no; the next one goes on where it ended.
create or replace function supaqueue_may_have_more(
    lines job_claim_line[], limits job_running_limits[], came_further boolean
) returns boolean
language plpgsql volatile
set search_path from current
as $$
declare
    rooms constant job_limit_room[] := supaqueue_limit_rooms(limits);
begin
    return came_further and exists (
        select from unnest(lines) as l where not l.read_all and (supaqueue_held_back(rooms, l.queue)).room is distinct from 0);
end $$;
