-- Says what a worker serves, and that it is alive or has stopped. Called at the start, every 20 seconds or so, and at the end;
-- each call also drops a bounded number of claims too old to be repeated, and of changes older than 90 days. Totals of the calls that
-- it sent come with the `run_id` of its process.
create or replace function register_worker_v1(worker jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
as $$
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_rows('worker', jsonb_build_array(worker),
        '{"worker_id": "1 to 200 characters", "queues": "an array of names", "task_types": "an array of names",
          "concurrency": "0 to 2147483647", "host": "1 to 200 characters", "process_id": "0 to 2147483647",
          "version": "1 to 200 characters", "stopped": "a boolean", "run_id": "a UUID", "claims_sent": "0 to 9007199254740991",
          "claims_failed": "0 to 9007199254740991", "finishes_sent": "0 to 9007199254740991",
          "finishes_failed": "0 to 9007199254740991"}',
        array['worker_id', 'queues', 'task_types', 'concurrency']);
    insert into job_workers as w (worker_id, queues, task_types, concurrency, host, process_id, version, stopped_at)
    select g.worker_id, g.queues, g.task_types, g.concurrency, g.host, g.process_id, g.version,
        case when g.stopped then clock_timestamp() end
    from jsonb_to_record(worker) as g (worker_id text, queues text[], task_types text[], concurrency integer, host text,
        process_id integer, version text, stopped boolean)
    on conflict (worker_id) do update set queues = excluded.queues, task_types = excluded.task_types,
        concurrency = excluded.concurrency, last_seen_at = clock_timestamp(), stopped_at = excluded.stopped_at;
    -- now(), since no index is searched by a clock that moves on.
    delete from job_claims where request_id in (
        select request_id from job_claims where claimed_at < now() - interval '2 hours'
        order by claimed_at limit 50000 for update skip locked);
    delete from job_changes where request_id in (
        select request_id from job_changes where changed_at < now() - interval '90 days'
        order by changed_at limit 1000 for update skip locked);
    perform supaqueue_note_calls(worker);
    return jsonb_build_object('worker_id', worker ->> 'worker_id');
end $$;
