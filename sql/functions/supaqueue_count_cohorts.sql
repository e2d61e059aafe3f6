-- Counts the jobs stored from `began` on and before `ended`, whole minutes, by minute and type. Only jobs that were never handed
-- over count, under the owner that they have had from the start, and only what was known here within the time that a cohort has:
-- so it makes no difference when it is counted. Final columns are null where a type's settle window is not over at `at_once`.
-- A first attempt that was lost with its worker tells nothing, the next one does: of such a one in legacy nobody tells either.
-- Hash joins stay allowed: what is joined besides the fenced look-ups was read before.
create or replace function supaqueue_count_cohorts(
    began timestamptz, ended timestamptz, task_types text[], first_seconds double precision, settle_seconds double precision,
    settle_by_type jsonb, at_once timestamptz
) returns setof job_cohorts
language plpgsql stable
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    first_window constant interval := interval '1 minute' + make_interval(secs => first_seconds);
    bins_per_e constant double precision := 1 / ln(1.02::double precision);
begin
    return query
    with seen as materialized (
        select j.minute, j.task_type, j.owner = 'supabase' as is_canary, coalesce(j.tenant, j.job_id::text) collate "C" as key,
            coalesce(f.known_at <= j.minute + first_window, false) as first_known, f.failed as first_failed,
            j.settled_at <= at_once as is_settled, coalesce(e.known_at <= j.settled_at, false) as final_known,
            e.status = 'failed' as final_failed,
            case when e.known_at <= j.settled_at and e.status <> 'cancelled' and e.starts = 1 then floor(bins_per_e * ln(greatest(1,
                1000 * date_part('epoch', e.ended_at - greatest(j.created_at, t.run_at)))))::smallint end as bin
        from (
            select b.*, date_bin('1 minute', b.created_at, 'epoch') as minute,
                date_bin('1 minute', b.created_at, 'epoch') + interval '1 s'
                    * (60 + coalesce((settle_by_type ->> b.task_type)::double precision, settle_seconds)) as settled_at
            from jobs b
            where b.created_at >= began and b.created_at < ended and b.epoch = 0 and b.task_type is not null
                and (task_types is null or b.task_type = any (task_types)) offset 0
        ) as j
        cross join lateral (
            select b.run_at, b.lease_token from job_tasks b
            where b.job_id = j.job_id and b.task_number = 0 and b.purpose = 'run' offset 0
        ) as t
        left join lateral (
            select b.ended_at, b.outcome from job_task_attempts b
            -- Of what completed under its only lease the job's row says as much.
            where t.lease_token > 0 and (t.lease_token > 1 or j.status <> 'completed')
                and b.job_id = j.job_id and b.task_number = 0 and b.outcome in ('done', 'retry', 'fail', 'cancel', 'park')
            order by b.lease_token limit 1
        ) as a on true
        cross join lateral (
            select case when j.owner = 'supabase' then j.finished_at else j.owner_ended_at end as known_at,
                case when j.owner = 'supabase' then j.finished_at
                    else coalesce((j.owner_outcome ->> 'ended_at')::timestamptz, j.owner_ended_at) end as ended_at,
                case when j.owner = 'supabase' then j.status else j.owner_outcome ->> 'status' end as status,
                -- Every lease makes a task due anew: of one that had several it is not known any more when it first was.
                case when j.owner = 'supabase' then t.lease_token
                    else coalesce(j.owner_outcome ->> 'starts', j.owner_outcome ->> 'attempts')::bigint end as starts offset 0
        ) as e
        cross join lateral (
            select case when j.owner = 'supabase' then coalesce(a.ended_at, e.known_at)
                    else least(j.legacy_first_failed_at, e.known_at) end as known_at,
                case when a.outcome is not null then a.outcome in ('retry', 'fail', 'park')
                    else j.legacy_first_failed_at is not null or e.status = 'failed'
                        or j.owner = 'legacy' and (j.owner_outcome ->> 'attempts')::bigint > 1 end as failed offset 0
        ) as f
    ), binned as (
        select s.minute, s.task_type,
            array_agg(s.bin order by s.bin) filter (where s.is_canary) as canary_bins,
            array_agg(s.jobs order by s.bin) filter (where s.is_canary) as canary_bin_jobs,
            array_agg(s.bin order by s.bin) filter (where not s.is_canary) as control_bins,
            array_agg(s.jobs order by s.bin) filter (where not s.is_canary) as control_bin_jobs
        from (
            select b.minute, b.task_type, b.is_canary, b.bin, count(*)::integer as jobs from seen b
            where b.is_settled and b.bin is not null group by b.minute, b.task_type, b.is_canary, b.bin
        ) as s
        group by s.minute, s.task_type
    ), sided as (
        select s.minute, s.task_type, s.is_canary, bool_and(s.is_settled) as is_settled,
            row(count(*), count(distinct s.key), count(*) filter (where s.first_known),
                count(*) filter (where s.first_known and s.first_failed),
                count(distinct s.key) filter (where s.first_known and s.first_failed))::job_cohort_side as first,
            row(count(*), count(distinct s.key), count(*) filter (where s.final_known),
                count(*) filter (where s.final_known and s.final_failed),
                count(distinct s.key) filter (where s.final_known and s.final_failed))::job_cohort_side as final
        from seen s group by s.minute, s.task_type, s.is_canary
    )
    select minute, task_type, coalesce(a.first, none.side), coalesce(o.first, none.side),
        case when coalesce(a.is_settled, o.is_settled) then coalesce(a.final, none.side) end,
        case when coalesce(a.is_settled, o.is_settled) then coalesce(o.final, none.side) end,
        b.canary_bins, b.canary_bin_jobs, b.control_bins, b.control_bin_jobs
    from (select * from sided s where s.is_canary) as a
    full join (select * from sided s where not s.is_canary) as o using (minute, task_type)
    left join binned b using (minute, task_type)
    cross join (values (row(0, 0, 0, 0, 0)::job_cohort_side)) as none (side);
end $$;
