-- How long jobs took of the cohorts from `since` on and before `until`: by type and owner, arrays of bin and jobs.
create or replace function supaqueue_latencies(since timestamptz, until timestamptz) returns jsonb
language plpgsql stable
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
    return (
        select coalesce(jsonb_object_agg(t.task_type, jsonb_build_object(
            'canary', coalesce(t.canary, '[]'), 'control', coalesce(t.control, '[]'))), '{}')
        from (
            select s.task_type,
                jsonb_agg(jsonb_build_array(s.bin, s.jobs) order by s.bin) filter (where s.is_canary) as canary,
                jsonb_agg(jsonb_build_array(s.bin, s.jobs) order by s.bin) filter (where not s.is_canary) as control
            from (
                select c.task_type, u.is_canary, u.bin, sum(u.jobs) as jobs
                from job_cohorts c
                cross join lateral (
                    select true as is_canary, * from unnest(c.canary_bins, c.canary_bin_jobs) as u (bin, jobs)
                    union all
                    select false, * from unnest(c.control_bins, c.control_bin_jobs) as u (bin, jobs)
                ) as u
                where c.minute >= since and c.minute < until
                group by c.task_type, u.is_canary, u.bin
            ) as s
            group by s.task_type
        ) as t
    );
end $$;
