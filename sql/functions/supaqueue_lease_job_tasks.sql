-- Leases these tasks as far as they are still ready, in time, and no other session holds their jobs; answers them, in the order
-- given, and their positions. Nothing that legacy owns runs here, but for a shadow; of a type that is drained only what is held.
-- `limits` are those that the claim has locked, if any.
drop function if exists supaqueue_lease_job_tasks(uuid[], smallint[], job_claim_types, interval, uuid, text);

create or replace function supaqueue_lease_job_tasks(
    job_ids uuid[], task_numbers smallint[], types job_claim_types, lease interval, request_id uuid, worker_id text,
    limits job_running_limits[], out tasks jsonb, out positions bigint[]
)
language plpgsql volatile
set search_path from current
as $$
declare
    free_jobs constant uuid[] := supaqueue_lock_free_jobs(
        case when (types).drain is null then job_ids else supaqueue_without_waiting(job_ids, (types).drain) end);
    -- After the locks: a lease that another session ended before it gave them up lies before this one.
    at_once constant timestamptz := clock_timestamp();
    counted uuid[];
    none integer[];
begin
    with held as (
        update job_tasks t
        set status = 'claimed', lease_token = t.lease_token + 1, claim_request = request_id,
            worker_id = supaqueue_lease_job_tasks.worker_id, claimed_at = at_once,
            last_heartbeat = at_once, lease_expires_at = at_once + lease, progress_number = 0,
            limited = limits is not null and t.purpose = 'run' and supaqueue_is_limited(limits, t.queue, t.task_type, t.tenant)
        from unnest(job_ids, task_numbers) with ordinality as u (job_id, task_number, n)
        cross join lateral (
            select b.ctid as place, b.status, b.position, b.deadline_at, b.purpose, b.task_type from job_tasks b
            where b.job_id = u.job_id and b.task_number = u.task_number offset 0
        ) as before
        cross join lateral (select b.owner, b.held from jobs b where b.job_id = u.job_id offset 0) as j
        where t.ctid = before.place and u.job_id = any (free_jobs)
            and before.status = 'pending' and before.position is not null
            and (before.deadline_at > at_once) is not false
            and (before.purpose <> 'run' or j.owner = 'supabase' and (j.held or (before.task_type = any ((types).drain)) is not true))
        returning t as task, u.n
    )
    select coalesce(jsonb_agg(supaqueue_claimed_job_task(h.task) order by h.n), '[]'),
        coalesce(array_agg((h.task).position), '{}'), array_agg((h.task).job_id) filter (where (h.task).purpose = 'run')
    into tasks, positions, counted
    from held h;
    if counted is not null then
        none := array_fill(0, array[cardinality(counted)]);
        perform supaqueue_count_tasks(counted, array_fill(1, array[cardinality(counted)]), none, none, none, at_once);
        if limits is not null then
            perform supaqueue_count_starts(limits, counted, request_id, at_once);
        end if;
    end if;
end $$;
