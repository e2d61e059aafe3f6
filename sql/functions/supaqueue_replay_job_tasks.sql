-- Makes failed tasks pending again, but no observations: they run once. The caller holds the jobs' locks, so the transaction has its number before it draws a
-- position or looks at the clock. One that let its order key go waits for its turn again, at its old place. What was unique until its end
-- runs only if its key is free; of a job that was stopped nothing runs while some task of it has not stopped yet.
create or replace function supaqueue_replay_job_tasks(tasks jsonb) returns void
language plpgsql
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
    replayed uuid[];
    none integer[];
    key_held constant uuid[] := supaqueue_retake_keys(tasks);
begin
    with given as (
        select distinct on (g.job_id, g.task_number, g.lease_token) g.job_id, g.task_number, g.lease_token, g.n,
            at_once + make_interval(secs => coalesce(g.delay_seconds, 0)) as run_at
        from rows from (
            jsonb_to_recordset(tasks) as (job_id uuid, task_number smallint, lease_token bigint, delay_seconds double precision)
        ) with ordinality as g (job_id, task_number, lease_token, delay_seconds, n)
        order by g.job_id, g.task_number, g.lease_token, g.n
    ), moved as (
        update job_tasks t
        set status = case when d.waits then 'blocked' else 'pending' end, run_at = d.run_at,
            position = case when not d.waits then d.position end, parked = false, deadline_at = null,
            started_at = null, finished_at = null, max_attempts = t.attempts + t.max_attempts - t.attempts_before_replay,
            attempts_before_replay = t.attempts, replayed_lease_token = t.lease_token,
            -- Two are what makes a task be claimed alone.
            lost_leases = least(t.lost_leases, 2)
        from (
            select o.*, case when o.run_at <= at_once then nextval('job_task_position') end as position
            from (
                select g.run_at, before.place, before.waits from given g
                cross join lateral (
                    select b.ctid as place, b.status, b.purpose, b.lease_token, b.order_key is not null and not b.blocks_key as waits
                    from job_tasks b
                    where b.job_id = g.job_id and b.task_number = g.task_number offset 0
                ) as before
                where before.status = 'failed' and before.purpose = 'run' and before.lease_token = g.lease_token
                    and g.job_id <> all (key_held)
                    and not exists (
                        select from jobs j where j.job_id = g.job_id and j.stopped and j.active_tasks > 0 offset 0)
                order by g.n
            ) as o
        ) as d
        where t.ctid = d.place
        returning t.job_id
    )
    select array_agg(job_id) into replayed from moved;
    if replayed is not null then
        update jobs j set cancel_requested_at = null
        from unnest(replayed) as g (job_id)
        cross join lateral (
            select b.ctid as place, b.cancel_requested_at from jobs b where b.job_id = g.job_id offset 0
        ) as before
        where j.ctid = before.place and before.cancel_requested_at is not null;
        none := array_fill(0, array[cardinality(replayed)]);
        perform supaqueue_count_tasks(replayed, none, array_fill(1, array[cardinality(replayed)]),
            array_fill(-1, array[cardinality(replayed)]), none, at_once);
        perform supaqueue_open_skipped_tasks(replayed, at_once);
        perform supaqueue_hand_back(replayed);
    end if;
end $$;
