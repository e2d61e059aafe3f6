-- Counts final outcomes of cohorts whose settle window is over, oldest first, until a moment, and returns whether some are left.
create or replace function supaqueue_close_final(
    until timestamptz, first_seconds double precision, settle_seconds double precision, settle_by_type jsonb
) returns boolean
language plpgsql
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
    at_once constant timestamptz := clock_timestamp();
    due record;
begin
    for due in
        select c.minute, array_agg(c.task_type) as task_types from job_cohorts c
        where c.final_canary is null and c.minute + interval '1 s'
            * (60 + coalesce((settle_by_type ->> c.task_type)::double precision, settle_seconds)) <= at_once
        group by c.minute order by c.minute
    loop
        if clock_timestamp() > until then
            return true;
        end if;
        update job_cohorts c set
            -- None are left where all were removed or handed over meanwhile.
            final_canary = coalesce(n.final_canary, row(0, 0, 0, 0, 0)::job_cohort_side),
            final_control = coalesce(n.final_control, row(0, 0, 0, 0, 0)::job_cohort_side),
            canary_bins = n.canary_bins, canary_bin_jobs = n.canary_bin_jobs,
            control_bins = n.control_bins, control_bin_jobs = n.control_bin_jobs
        from unnest(due.task_types) as given (task_type)
        left join supaqueue_count_cohorts(due.minute, due.minute + interval '1 minute', due.task_types, first_seconds,
            settle_seconds, settle_by_type, at_once) as n using (task_type)
        where c.minute = due.minute and c.task_type = given.task_type;
    end loop;
    return false;
end $$;
