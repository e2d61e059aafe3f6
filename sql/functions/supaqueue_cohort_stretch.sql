-- The end of the next stretch of minutes to count at once: some twenty thousand jobs, or one minute if that has more.
create or replace function supaqueue_cohort_stretch(began timestamptz, latest timestamptz) returns timestamptz
language plpgsql stable
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
    return coalesce((
        select greatest(date_bin('1 minute', j.created_at, 'epoch'), began + interval '1 minute') from jobs j
        where j.created_at >= began and j.created_at < latest order by j.created_at, j.job_id offset 20000 limit 1), latest);
end $$;
