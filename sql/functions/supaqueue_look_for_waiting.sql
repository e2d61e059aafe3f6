-- Looks on from a place, range by range, until it has seen `want` tasks or a quarter of a second is gone: the jobs that are to go,
-- where the last task was that it saw, and the place from where to look on. The look of that is null at the end.
create or replace function supaqueue_look_for_waiting(
    place job_hand_back_places, want integer, out job_ids uuid[], out reached job_hand_back_places, out next job_hand_back_places
)
language plpgsql stable
set search_path from current
as $$
declare
    began_at constant timestamptz := clock_timestamp();
    remaining bigint := want;
    upto job_hand_back_places;
    seen record;
begin
    next := place;
    loop
        upto := supaqueue_next_place(next);
        select * into seen from supaqueue_waiting_to_go_back(next, upto, remaining);
        if seen.number > 0 then
            job_ids := job_ids || seen.job_ids;
            reached := seen.reached;
        end if;
        next := case when seen.number = remaining then seen.reached else upto end;
        remaining := remaining - seen.number;
        exit when next.look is null or remaining = 0 or clock_timestamp() > began_at + interval '0.25 s';
    end loop;
end $$;
