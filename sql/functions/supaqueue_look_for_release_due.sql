-- Looks on from a place, range by range, for jobs that legacy was not told of, until it finds a range that has one or a quarter of
-- a second is gone: where the last range that it looked at begins, where it ends (the look is null at the end of all), and whether
-- one is in it.
create or replace function supaqueue_look_for_release_due(
    place job_hand_back_places, out began job_hand_back_places, out ended job_hand_back_places, out any_due boolean
)
language plpgsql stable
set search_path from current
as $$
declare
    began_at constant timestamptz := clock_timestamp();
begin
    began := place;
    loop
        ended := supaqueue_next_place(began);
        any_due := exists (
            select from jobs j where j.mirror_state = 'release_due' and (j.created_at, j.job_id) > (began.moment, began.job_id)
                and (j.created_at, j.job_id) <= (coalesce(ended.moment, 'infinity'),
                    coalesce(ended.job_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')));
        exit when any_due or ended.look is null or clock_timestamp() > began_at + interval '0.25 s';
        began := ended;
    end loop;
end $$;
