-- Counts tasks of purpose run per queue, task type and status; with the age of the oldest task that could run now, the workers
-- seen within the last two minutes, what waits although no such worker serves it, and which queues are paused.
create or replace function count_jobs_v1(queues text[], contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
#variable_conflict use_column
begin
    perform supaqueue_check_call(contract_version);
    return (
        with counted as materialized (
            select t.queue, t.task_type, t.status, count(*) as tasks,
                min(t.run_at) filter (where t.status = 'pending' and t.run_at <= clock_timestamp()) as oldest
            from job_tasks t
            where t.purpose = 'run' and (count_jobs_v1.queues is null or t.queue = any (count_jobs_v1.queues))
            group by t.queue, t.task_type, t.status
        ), alive as materialized (
            select * from job_workers w
            where w.stopped_at is null and w.last_seen_at > clock_timestamp() - interval '2 minutes'
        )
        select jsonb_build_object(
            'counts', coalesce((select jsonb_agg(jsonb_build_object('queue', c.queue, 'task_type', c.task_type,
                'status', c.status, 'tasks', c.tasks,
                'oldest_waiting_seconds', extract(epoch from clock_timestamp() - c.oldest))
                order by c.queue, c.task_type, c.status) from counted c), '[]'),
            'workers', coalesce((select jsonb_agg(jsonb_build_object('worker_id', w.worker_id, 'queues', w.queues,
                'task_types', w.task_types, 'concurrency', w.concurrency, 'host', w.host, 'process_id', w.process_id,
                'version', w.version, 'started_at', w.started_at, 'last_seen_at', w.last_seen_at) order by w.worker_id)
                from alive w), '[]'),
            'unserved', coalesce((select jsonb_agg(jsonb_build_object('queue', c.queue, 'task_type', c.task_type,
                'tasks', c.tasks) order by c.queue, c.task_type)
                from counted c
                where c.status = 'pending' and not exists (
                    select from alive w where c.queue = any (w.queues) and c.task_type = any (w.task_types))), '[]'),
            'paused', coalesce((select jsonb_agg(supaqueue_paused_queue(q) order by q.queue) from job_queues q
                where (count_jobs_v1.queues is null or q.queue = any (count_jobs_v1.queues))
                    and q.paused_until > clock_timestamp()), '[]'))
    );
end $$;
