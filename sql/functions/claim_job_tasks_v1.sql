-- Leases up to `want` tasks to a worker and answers them with their payloads. A repeat of a request is answered with those of
-- its tasks that are still held; job_claims' unique index makes a repeat that overtakes wait for the original, or the original
-- for the repeat. `marks` is what the last answer said, per queue, and means nothing to the worker. Every claim also rescues
-- tasks whose worker died, hands on the turns of order keys, fails those whose deadline passed (`failed`: what this was the end of) and promotes due ones, also
-- of a paused queue, from which it leases nothing (`paused`), and of types that the flag holds back (`closed`). A task that lost two leases is claimed alone: `alone` says that
-- the worker must claim nothing until it has ended, `drain` that it must first end what it holds.
-- Planner settings, here and in the other calls: a session keeps its plans for long, maybe from when the tables were empty or
-- had no statistics. What is looked up is looked up by an index, whatever the planner believes; one plan fits all arguments,
-- and to plan each call anew would cost as much as the call.
-- What it leases: of each queue the higher priorities first, of each line (a queue's tasks of one priority) the tenants in turn, of
-- the queues by their `weights` ({"mail": 3}; 1 where none is named).
-- Before weights there were ten arguments; two of one name PostgREST could not tell apart.
drop function if exists claim_job_tasks_v1(uuid, text, text[], text[], integer, integer, double precision, jsonb, jsonb, integer);

create or replace function claim_job_tasks_v1(
    request_id uuid, worker_id text, queues text[], task_types text[], want integer, holding integer,
    lease_seconds double precision, marks jsonb, started jsonb, contract_version integer,
    weights jsonb default null
) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set enable_incremental_sort = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    types job_claim_types;
    types_key text;
    -- A server that was started again may be an earlier one restored: its positions and its clock begin anew.
    server_key constant text := pg_postmaster_start_time()::text;
    number bigint;
    xmin bigint;
    kept record;
    lone record;
    claimed record;
    tasks jsonb;
    open_queues text[];
    any_more boolean;
    new_marks jsonb;
    lease interval;
    limits job_running_limits[];
begin
    perform supaqueue_lock_flag_shared();
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_claim(request_id, worker_id, queues, task_types, want, holding, lease_seconds, marks);
    perform supaqueue_check_weights(weights, queues);
    perform supaqueue_check_leases('started', started);
    lease := make_interval(secs => lease_seconds);

    -- Marks need a number that is younger than the call.
    number := case when pg_current_xact_id_if_assigned() is null then pg_current_xact_id()::text::bigint end;
    insert into job_claims (request_id, worker_id)
    values (claim_job_tasks_v1.request_id, claim_job_tasks_v1.worker_id) on conflict do nothing;
    if not found then
        return supaqueue_repeated_claim(request_id, worker_id, queues, marks);
    end if;
    if want > 0 then
        limits := supaqueue_lock_limits(queues, task_types);
    end if;
    perform supaqueue_start_job_tasks(started, worker_id);

    types := supaqueue_claim_types(task_types);
    select array_agg(q) into open_queues from unnest(queues) as q where not supaqueue_queue_is_paused(q);
    types_key := md5(types::text);
    xmin := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    new_marks := (select jsonb_object_agg(m.key, m.value) from jsonb_each(marks) as m
        where m.key = any (queues) and m.value ->> 'server' = server_key);

    select * into lone from supaqueue_claim_lone_job_task(
        coalesce(open_queues, '{}'), types, want, holding, lease, request_id, worker_id, limits);
    tasks := lone.tasks;

    new_marks := coalesce(new_marks, '{}');
    any_more := false;
    if exists (
        select from unnest(queues) as q (queue)
        cross join lateral (select from job_order_key_queues b where b.queue = q.queue limit 1) as ordered) then
        select o.marks, o.more into new_marks, any_more from supaqueue_promote_order_keys(queues, xmin, number, new_marks) as o;
    end if;
    select * into kept from supaqueue_look_after_queues(queues, xmin, number, new_marks);
    new_marks := kept.marks;
    any_more := any_more or kept.more;

    if tasks = '[]' and not lone.drain and want > 0 and open_queues is not null then
        select * into claimed from supaqueue_claim_ready_job_tasks(
            open_queues, weights, types, types_key, want, lease, request_id, worker_id, limits, new_marks, xmin, number);
        tasks := claimed.tasks;
        any_more := any_more or claimed.more;
        new_marks := (select jsonb_object_agg(m.key, m.value || coalesce(claimed.ready -> m.key, '{}')) from jsonb_each(new_marks) as m);
    end if;
    new_marks := (select jsonb_strip_nulls(jsonb_object_agg(m.key, m.value || jsonb_build_object('server', server_key)))
        from jsonb_each(new_marks) as m);

    if tasks = '[]' and not lone.drain then
        -- Once more: what was rescued just now may have lost its second lease.
        select * into lone from supaqueue_claim_lone_job_task(
            coalesce(open_queues, '{}'), types, want, holding, lease, request_id, worker_id, limits);
        tasks := lone.tasks;
    end if;

    if tasks = '[]' and kept.failed = '[]' and started = '[]' then
        -- Nothing was told that losing this in a crash would undo: no need to wait for the disk.
        perform set_config('synchronous_commit', 'off', true);
    end if;
    return jsonb_build_object('tasks', tasks, 'marks', new_marks, 'alone', lone.tasks <> '[]', 'drain', lone.drain,
        'failed', kept.failed, 'more', any_more,
        'wait_seconds', case when not any_more then
            least(supaqueue_seconds_to_next_due(queues), supaqueue_seconds_to_window(limits)) end,
        'paused', (select coalesce(jsonb_agg(q), '[]') from unnest(queues) as q where q <> all (coalesce(open_queues, '{}'))),
        'closed', (select coalesce(jsonb_agg(t), '[]') from unnest(task_types) as t where t <> all (coalesce(types.run, '{}'))));
end $$;
