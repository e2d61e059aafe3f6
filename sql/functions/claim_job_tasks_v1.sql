-- Leases up to `want` tasks to a worker and answers them with their payloads. A repeat of a request is answered with those of
-- its tasks that are still held; job_claims' unique index makes a repeat that overtakes wait for the original, or the original
-- for the repeat. `marks` is what the last answer said, per queue, and means nothing to the worker. Every claim also rescues
-- tasks whose worker died, fails those whose deadline passed (`failed`: what this was the end of) and promotes due ones, also
-- of a paused queue, from which it leases nothing (`paused`), and of types that the flag holds back (`closed`). A task that lost two leases is claimed alone: `alone` says that
-- the worker must claim nothing until it has ended, `drain` that it must first end what it holds.
-- Planner settings, here and in the other calls: a session keeps its plans for long, maybe from when the tables were empty or
-- had no statistics. What is looked up is looked up by an index, whatever the planner believes; one plan fits all arguments,
-- and to plan each call anew would cost as much as the call.
create or replace function claim_job_tasks_v1(
    request_id uuid, worker_id text, queues text[], task_types text[], want integer, holding integer,
    lease_seconds double precision, marks jsonb, started jsonb, contract_version integer
) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    types job_claim_types;
    types_key text;
    -- A server that was started again may be an earlier one restored: its positions and its clock begin anew.
    server_key constant text := pg_postmaster_start_time()::text;
    began_us bigint;
    number bigint;
    xmin bigint;
    queue_name text;
    given jsonb;
    ready job_claim_mark;
    due job_claim_mark;
    leased job_claim_mark;
    deadline job_claim_mark;
    claimed record;
    tasks jsonb := '[]';
    remaining integer := want;
    -- The answer is one JSON value: it must arrive within a try, and Postgres builds none over 256 MB.
    bytes_left bigint := 4194304;
    lone record;
    rescued record;
    expired record;
    open_queues text[];
    failed jsonb := '[]';
    any_more boolean := false;
    new_marks jsonb := '{}';
begin
    perform supaqueue_lock_flag_shared();
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_claim(request_id, worker_id, queues, task_types, want, holding, lease_seconds, marks);
    perform supaqueue_check_leases('started', started);

    -- Marks need a number that is younger than the call.
    number := case when pg_current_xact_id_if_assigned() is null then pg_current_xact_id()::text::bigint end;
    insert into job_claims (request_id, worker_id)
    values (claim_job_tasks_v1.request_id, claim_job_tasks_v1.worker_id) on conflict do nothing;
    if not found then
        return supaqueue_repeated_claim(request_id, worker_id, queues, marks);
    end if;
    perform supaqueue_start_job_tasks(started, worker_id);

    types := supaqueue_claim_types(task_types);
    select array_agg(q) into open_queues from unnest(queues) as q where not supaqueue_queue_is_paused(q);
    types_key := md5(types::text);
    xmin := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    began_us := supaqueue_microseconds(clock_timestamp());

    select * into lone from supaqueue_claim_lone_job_task(coalesce(open_queues, '{}'), types, want,
        holding, make_interval(secs => lease_seconds), request_id, worker_id);
    tasks := lone.tasks;
    if tasks <> '[]' or lone.drain then
        remaining := 0;
    end if;

    for queue_name in
        -- Each claim draws which queue is first, so that none waits behind another for long.
        select q from unnest(queues) as u (q) group by q order by md5(claim_job_tasks_v1.request_id::text || q)
    loop
        if supaqueue_microseconds(clock_timestamp()) - began_us > 2000000 then
            -- After an outage each queue may have hundreds to rescue: the rest is for the next claim.
            any_more := true;
            new_marks := new_marks || jsonb_strip_nulls(jsonb_build_object(queue_name, marks -> queue_name));
            continue;
        end if;
        given := case when marks -> queue_name ->> 'server' = server_key then marks -> queue_name end;
        select * into rescued
        from supaqueue_rescue_job_tasks(queue_name, supaqueue_read_mark(given, 'leased'), xmin, number);
        leased := rescued.mark;
        select * into expired
        from supaqueue_expire_job_tasks(queue_name, supaqueue_read_mark(given, 'deadline'), xmin, number);
        deadline := expired.mark;
        failed := failed || rescued.failed || expired.failed;
        due := supaqueue_promote_due_job_tasks(queue_name, supaqueue_read_mark(given, 'due'), xmin, number);
        ready := case when given ->> 'types' = types_key then supaqueue_read_mark(given, 'ready') end;
        any_more := any_more or due.at < began_us;
        if remaining > 0 and bytes_left > 0 and queue_name = any (open_queues) then
            select * into claimed from supaqueue_claim_ready_job_tasks(queue_name, types, remaining,
                make_interval(secs => lease_seconds), request_id, worker_id, ready, bytes_left, xmin, number);
            ready := claimed.mark;
            tasks := tasks || claimed.tasks;
            remaining := remaining - claimed.taken;
            bytes_left := claimed.bytes_left;
            any_more := any_more or claimed.more;
        end if;
        new_marks := new_marks || jsonb_build_object(queue_name, jsonb_strip_nulls(jsonb_build_object(
            'server', server_key, 'types', types_key, 'ready', to_jsonb(ready), 'due', to_jsonb(due),
            'leased', to_jsonb(leased), 'deadline', to_jsonb(deadline))));
    end loop;

    if tasks = '[]' and not lone.drain then
        -- Once more: what was rescued just now may have lost its second lease.
        select * into lone from supaqueue_claim_lone_job_task(coalesce(open_queues, '{}'), types,
            remaining, holding, make_interval(secs => lease_seconds), request_id, worker_id);
        tasks := lone.tasks;
    end if;

    if tasks = '[]' and failed = '[]' and started = '[]' then
        -- Nothing was told that losing this in a crash would undo: no need to wait for the disk.
        perform set_config('synchronous_commit', 'off', true);
    end if;
    return jsonb_build_object('tasks', tasks, 'marks', new_marks, 'alone', lone.tasks <> '[]', 'drain', lone.drain,
        'failed', failed, 'more', any_more,
        'wait_seconds', case when not any_more then supaqueue_seconds_to_next_due(queues) end,
        'paused', (select coalesce(jsonb_agg(q), '[]') from unnest(queues) as q where q <> all (coalesce(open_queues, '{}'))),
        'closed', (select coalesce(jsonb_agg(t), '[]') from unnest(task_types) as t where t <> all (coalesce(types.run, '{}'))));
end $$;
