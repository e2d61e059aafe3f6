-- Leases up to `want` tasks to a worker and answers them with their payloads. A repeat of a request is answered with those of
-- its tasks that are still held; job_claims' unique index makes a repeat that overtakes wait for the original, or the original
-- for the repeat. `marks` is what the last answer said, per queue, and means nothing to the worker. Every claim also rescues
-- tasks whose worker died and promotes due ones.
-- Planner settings, here and in the other calls: a session keeps its plans for long, maybe from when the tables were empty or
-- had no statistics. What is looked up is looked up by an index, whatever the planner believes; one plan fits all arguments,
-- and to plan each call anew would cost as much as the call.
create or replace function claim_job_tasks_v1(
    request_id uuid, worker_id text, queues text[], task_types text[], want integer, lease_seconds double precision,
    marks jsonb, started jsonb, contract_version integer
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
    open_types text[];
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
    claimed record;
    tasks jsonb := '[]';
    remaining integer := want;
    any_more boolean := false;
    new_marks jsonb := '{}';
begin
    perform supaqueue_lock_flag_shared();
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_claim(request_id, worker_id, queues, task_types, want, lease_seconds, marks);
    perform supaqueue_check_leases('started', started);

    -- Marks need a number that is younger than the call.
    number := case when pg_current_xact_id_if_assigned() is null then pg_current_xact_id()::text::bigint end;
    insert into job_claims (request_id, worker_id)
    values (claim_job_tasks_v1.request_id, claim_job_tasks_v1.worker_id) on conflict do nothing;
    if not found then
        return jsonb_build_object('tasks', supaqueue_held_job_tasks(request_id, worker_id, queues), 'marks', marks,
            'more', true, 'wait_seconds', null);
    end if;
    perform supaqueue_start_job_tasks(started);

    select array_agg(t order by t) into open_types from unnest(task_types) as t where queue_is_open(t);
    types_key := md5(coalesce(open_types, '{}')::text);
    xmin := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    began_us := supaqueue_microseconds(clock_timestamp());

    for queue_name in
        -- Queues take turns at being first.
        select q from unnest(queues) with ordinality as u (q, n)
        group by q order by (min(n) + extract(epoch from clock_timestamp())::bigint) % cardinality(queues)
    loop
        given := case when marks -> queue_name ->> 'server' = server_key then marks -> queue_name end;
        leased := supaqueue_rescue_job_tasks(queue_name, supaqueue_read_mark(given, 'leased'), xmin, number);
        due := supaqueue_promote_due_job_tasks(queue_name, supaqueue_read_mark(given, 'due'), xmin, number);
        ready := case when given ->> 'types' = types_key then supaqueue_read_mark(given, 'ready') end;
        any_more := any_more or due.at < began_us;
        if remaining > 0 and open_types is not null then
            select * into claimed from supaqueue_claim_ready_job_tasks(queue_name, open_types, remaining,
                make_interval(secs => lease_seconds), request_id, worker_id, ready, xmin, number);
            ready := claimed.mark;
            tasks := tasks || claimed.tasks;
            remaining := remaining - claimed.taken;
            any_more := any_more or claimed.more;
        end if;
        new_marks := new_marks || jsonb_build_object(queue_name, jsonb_strip_nulls(jsonb_build_object(
            'server', server_key, 'types', types_key, 'ready', to_jsonb(ready), 'due', to_jsonb(due),
            'leased', to_jsonb(leased))));
    end loop;

    if tasks = '[]' and started = '[]' then
        -- Nothing was told that losing this in a crash would undo: no need to wait for the disk.
        perform set_config('synchronous_commit', 'off', true);
    end if;
    return jsonb_build_object('tasks', tasks, 'marks', new_marks, 'more', any_more,
        'wait_seconds', case when not any_more then supaqueue_seconds_to_next_due(queues) end);
end $$;
