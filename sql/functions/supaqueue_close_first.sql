-- Counts first attempts of the minutes from `counted` on and before `latest`, until a moment, and returns how far it came. Final
-- outcomes of minutes whose windows are over by now are counted in the same go.
create or replace function supaqueue_close_first(
    counted timestamptz, latest timestamptz, until timestamptz, first_seconds double precision, settle_seconds double precision,
    settle_by_type jsonb
) returns timestamptz
language plpgsql
set search_path from current
as $$
declare
    reached timestamptz := counted;
    upto timestamptz;
begin
    while reached < latest and clock_timestamp() < until loop
        upto := supaqueue_cohort_stretch(reached, latest);
        insert into job_cohorts
        select * from supaqueue_count_cohorts(reached, upto, null, first_seconds, settle_seconds, settle_by_type, clock_timestamp())
        on conflict do nothing;
        reached := upto;
    end loop;
    update job_cohort_marks m set counted_until = reached where m.counted_until < reached;
    return reached;
end $$;
