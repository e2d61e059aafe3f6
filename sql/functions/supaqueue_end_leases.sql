-- Ends leases: the one place where a task leaves claimed or processing. The caller holds the jobs' locks.
-- `endings`: (job_id, task_number, lease_token, outcome, result, error, after_seconds, ran_seconds). An ending whose token is
-- not the task's present one changes nothing, nor does one of another worker than `reporter` (null: whoever holds it; after a
-- restore from backup two workers may hold the same token). Answers what became `failed`. What it came to is in
-- job_task_attempts, where a repeat finds it too.
create or replace function supaqueue_end_leases(endings jsonb, reporter text) returns jsonb
language plpgsql
set search_path from current
as $$
declare
    at_once timestamptz := clock_timestamp();
    lost_lease_cap constant integer := 5;
    changed record;
begin
    with given as (
        select distinct on (job_id, task_number, lease_token) n, element -> 'result' as result, e.job_id, e.task_number,
            e.lease_token, e.outcome, e.error, e.after_seconds, e.ran_seconds
        from rows from (
            jsonb_array_elements(endings),
            jsonb_to_recordset(endings) as (job_id uuid, task_number smallint, lease_token bigint, outcome text,
                error jsonb, after_seconds double precision, ran_seconds double precision)
        ) with ordinality as e (element, job_id, task_number, lease_token, outcome, error, after_seconds, ran_seconds, n)
        order by job_id, task_number, lease_token, n
    ), leased as (
        select g.*, t.place, t.purpose, t.queue, t.task_type, t.worker_id, t.claimed_at, t.max_attempts, t.deadline_at,
            t.retry_delay, t.retry_factor, t.retry_max_delay, t.retry_jitter, t.attempts_before_replay, j.cancel_requested_at,
            j.on_failure, j.stopped,
            coalesce(t.started_at, case when g.outcome not in ('not_started', 'lease_lost')
                then at_once - make_interval(secs => coalesce(g.ran_seconds, 0)) end) as started_at,
            t.lost_leases + (g.outcome = 'lease_lost')::integer as lost_leases,
            case when g.outcome in ('snooze', 'not_started', 'park') or g.outcome = 'lease_lost' and t.status = 'claimed'
                then 0 else 1 end as cost,
            t.attempts as attempts_before, t.error as error_before, t.releases_key
        from given g
        cross join lateral (
            select b.ctid as place, b.* from job_tasks b
            where b.job_id = g.job_id and b.task_number = g.task_number offset 0
        ) as t
        cross join lateral (
            select j.cancel_requested_at, j.on_failure, j.stopped from jobs j where j.job_id = g.job_id offset 0
        ) as j
        where t.lease_token = g.lease_token and t.status in ('claimed', 'processing')
            and (reporter is null or t.worker_id = reporter)
    ), timed as materialized (
        select l.*, l.attempts_before + l.cost as attempts, case outcome
            when 'retry' then at_once + coalesce(make_interval(secs => after_seconds), supaqueue_retry_delay(retry_delay,
                retry_factor, retry_max_delay, retry_jitter, l.attempts_before + l.cost - attempts_before_replay))
            when 'snooze' then at_once + make_interval(secs => coalesce(after_seconds, 0))
            else at_once end as next_run_at
        from leased l
    ), ended as (
        select t.*, case
            when outcome = 'done' then 'completed'
            when outcome in ('fail', 'park') then 'failed'
            when outcome = 'cancel' then 'cancelled'
            when outcome in ('retry', 'lease_lost') and attempts >= max_attempts then 'failed'
            when lost_leases > lost_lease_cap then 'failed'
            when cancel_requested_at is not null then 'cancelled'
            when next_run_at >= deadline_at then 'late'
            else 'pending' end as came_to
        from timed t
    ), decided as (
        select e.*, case came_to when 'late' then 'failed' else came_to end as status_after,
            case when came_to = 'late' then supaqueue_deadline_error(deadline_at, coalesce(error, error_before))
                else error end as last_error
        from ended e
    ), moved as (
        update job_tasks t
        set status = d.status_after,
            result = case when d.outcome = 'done' then d.result else t.result end,
            error = case when d.status_after <> 'completed' then coalesce(d.last_error, t.error) end,
            parked = d.outcome = 'park',
            skipped = d.stopped and d.status_after = 'cancelled',
            attempts = d.attempts,
            lost_leases = d.lost_leases,
            run_at = case when d.status_after = 'pending' then d.next_run_at else t.run_at end,
            position = case when d.status_after = 'pending' and d.next_run_at <= at_once
                then nextval('job_task_position') end,
            started_at = case when d.status_after = 'pending' then null else d.started_at end,
            finished_at = case when d.status_after <> 'pending' then at_once end,
            worker_id = null, lease_expires_at = null, claim_request = null, claimed_at = null
        from decided d
        where t.ctid = d.place
    ), logged as (
        insert into job_task_attempts (job_id, task_number, lease_token, attempt, worker_id, claimed_at, started_at,
            ended_at, outcome, status_after, error)
        select job_id, task_number, lease_token, case when cost = 1 then attempts end, worker_id, claimed_at, started_at,
            at_once, outcome, status_after, error
        from decided
    ), forgotten as (
        -- The last 20 leases are kept: snoozes are unlimited.
        delete from job_task_attempts a
        using (
            select b.place from decided d
            cross join lateral (
                select b.ctid as place from job_task_attempts b where b.job_id = d.job_id and b.task_number = d.task_number
                    and b.lease_token <= d.lease_token - 20 offset 0
            ) as b
            where d.lease_token > 20
        ) as f
        where a.ctid = f.place
    )
    select array_agg(d.job_id) as job_ids, array_agg(-1) as active,
        array_agg(-(d.status_after <> 'pending')::integer) as unfinished,
        array_agg((d.status_after = 'failed')::integer) as failed,
        array_agg((d.status_after = 'cancelled')::integer) as cancelled,
        coalesce(jsonb_agg(jsonb_build_object('job_id', d.job_id, 'task_number', d.task_number, 'queue', d.queue,
            'task_type', d.task_type, 'attempt', d.attempts, 'error_type', d.last_error -> 'type'))
            filter (where d.status_after = 'failed'), '[]') as failed_tasks,
        array_agg(d.job_id) filter (where d.status_after = 'pending') as returned,
        array_agg(d.job_id) filter (where d.on_failure is not null and d.status_after <> 'pending') as graphs,
        array_agg(d.task_number) filter (where d.on_failure is not null and d.status_after <> 'pending') as graph_tasks,
        -- Its start was not told before.
        array_agg(d.job_id) filter (where d.releases_key and d.started_at is not null) as begun
    into changed
    from decided d where d.purpose = 'run';

    if changed.job_ids is not null then
        perform supaqueue_count_tasks(
            changed.job_ids, changed.active, changed.unfinished, changed.failed, changed.cancelled, at_once);
        if changed.begun is not null then
            perform supaqueue_release_keys(changed.begun);
        end if;
        if changed.graphs is not null then
            perform supaqueue_go_on(changed.graphs, changed.graph_tasks, at_once);
        end if;
        perform supaqueue_hand_back(changed.returned);
    end if;
    return changed.failed_tasks;
end $$;
