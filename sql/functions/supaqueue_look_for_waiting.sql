-- Looks on from a place, range by range, until something is to go back, `want` tasks were seen, or half a second is gone: the jobs
-- that are to go, and the place from where to look on. Its look is null at the end of the look.
create or replace function supaqueue_look_for_waiting(
    place job_hand_back_places, want integer, out job_ids uuid[], out reached job_hand_back_places, out next job_hand_back_places
)
language plpgsql stable
set search_path from current
as $$
declare
    began_at constant timestamptz := clock_timestamp();
    upto job_hand_back_places;
    seen record;
begin
    next := place;
    loop
        upto := supaqueue_next_place(next);
        select * into seen from supaqueue_waiting_to_go_back(next, upto, want);
        job_ids := seen.job_ids;
        reached := seen.reached;
        next := case when seen.number = want then seen.reached else upto end;
        exit when next.look is null or job_ids is not null or seen.number = want
            or clock_timestamp() > began_at + interval '0.5 s';
    end loop;
end $$;
