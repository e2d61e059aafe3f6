-- Leases up to `want` ready tasks of one queue: picks candidates unlocked, locks their jobs in id order passing over those
-- that another session holds, then checks the tasks again. What lies behind the mark goes first: it is older.
create or replace function supaqueue_claim_ready_job_tasks(
    queue_name text, task_types text[], want integer, lease interval, request_id uuid, worker_id text,
    inout mark job_claim_mark, xmin bigint, number bigint, out tasks jsonb, out taken integer, out more boolean
)
language plpgsql volatile
set search_path from current
as $$
#variable_conflict use_column
declare
    at_once constant timestamptz := clock_timestamp();
    top bigint;
    lowest bigint;
    walk_to bigint;
    seen record;
    free_jobs uuid[];
    leased record;
    leased_positions bigint[];
begin
    -- Read in a statement before the look ahead: whatever holds a lower position was numbered before this.
    select case when is_called then last_value else last_value - 1 end into top from job_task_position;
    if supaqueue_mark_is_new(mark, top, xmin) then
        select t.position into lowest from job_tasks t
        where t.queue = queue_name and t.status = 'pending' and t.position is not null order by t.position limit 1;
    end if;
    mark := supaqueue_open_mark(mark, lowest, top, 100000, xmin, number);
    walk_to := supaqueue_walk_to(mark, greatest(128, 2 * want), 4096);

    with behind as materialized (
        select t.job_id, t.task_number, t.position from job_tasks t
        where t.queue = queue_name and t.status = 'pending'
            and t.position > mark.walk and t.position <= walk_to and t.task_type = any (task_types)
        order by t.position limit want
    ), ahead as materialized (
        select t.job_id, t.task_number, t.position from job_tasks t
        where t.queue = queue_name and t.status = 'pending'
            and t.position > mark.at and t.task_type = any (task_types)
        order by t.position limit want - (select count(*) from behind)
    )
    select array_agg(c.job_id) as job_ids, array_agg(c.task_number) as task_numbers,
        array_agg(c.position) filter (where c.is_behind) as behind_positions,
        count(*) filter (where c.is_behind) as behind, count(*) as all_seen,
        max(c.position) filter (where c.is_behind) as last_behind,
        max(c.position) filter (where not c.is_behind) as last_ahead
    into seen
    from (select *, true as is_behind from behind union all select *, false from ahead) as c;

    if seen.job_ids is not null then
        free_jobs := supaqueue_lock_free_jobs(seen.job_ids);
        with held as (
            update job_tasks t
            set status = 'claimed', lease_token = t.lease_token + 1, claim_request = request_id,
                worker_id = supaqueue_claim_ready_job_tasks.worker_id, claimed_at = at_once,
                last_heartbeat = at_once, lease_expires_at = at_once + lease
            from unnest(seen.job_ids, seen.task_numbers) as u (job_id, task_number)
            where t.job_id = u.job_id and t.task_number = u.task_number and t.job_id = any (free_jobs)
                and t.status = 'pending' and t.position is not null
            returning t as task
        )
        select jsonb_agg(supaqueue_claimed_job_task(h.task) order by (h.task).position) as tasks,
            array_agg((h.task).job_id) filter (where (h.task).purpose = 'run') as job_ids,
            array_agg((h.task).position) as positions,
            count(*)::integer as taken
        into leased
        from held h;
        tasks := leased.tasks;
        taken := leased.taken;
        leased_positions := leased.positions;
        if leased.job_ids is not null then
            perform supaqueue_count_tasks(leased.job_ids, array_fill(1, array[cardinality(leased.job_ids)]),
                array_fill(0, array[cardinality(leased.job_ids)]), array_fill(0, array[cardinality(leased.job_ids)]),
                array_fill(0, array[cardinality(leased.job_ids)]), at_once);
        end if;
    end if;
    tasks := coalesce(tasks, '[]');
    taken := coalesce(taken, 0);
    more := seen.all_seen >= want;

    mark := supaqueue_close_mark(mark,
        case when seen.all_seen < want then top when seen.last_ahead is not null then seen.last_ahead end,
        case when seen.behind < want then walk_to else seen.last_behind end,
        (select min(p) from unnest(seen.behind_positions) as p where p <> all (coalesce(leased_positions, '{}'))));
end $$;
