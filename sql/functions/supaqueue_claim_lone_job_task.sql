-- Tasks that lost two leases may be what kills workers: one is leased only to a worker that holds nothing, so that it takes no
-- other with it. `drain`: one has waited for 30 s, and of the workers that serve it this is the one to make room.
drop function if exists supaqueue_claim_lone_job_task(text[], job_claim_types, integer, integer, interval, uuid, text);

create or replace function supaqueue_claim_lone_job_task(
    queues text[], types job_claim_types, want integer, holding integer, lease interval, request_id uuid, worker_id text,
    limits job_running_limits[], out tasks jsonb, out drain boolean
)
language plpgsql volatile
set search_path from current
as $$
declare
    rooms constant job_limit_room[] := supaqueue_limit_rooms(limits);
    lone record;
begin
    tasks := '[]';
    drain := false;
    select t.job_id, t.task_number, t.queue, t.task_type, t.run_at into lone
    from unnest(queues) as q (queue)
    cross join lateral (
        select * from job_tasks b
        where b.queue = q.queue and b.status = 'pending' and b.position is not null and b.lost_leases >= 2
            and b.task_type = any (case b.purpose when 'run' then (types).run when 'shadow' then (types).shadow else (types).probe end)
            and (b.deadline_at > clock_timestamp()) is not false
            and (rooms is null or b.purpose <> 'run' or supaqueue_has_room(rooms, b.queue, b.task_type, b.tenant))
        order by b.position limit 1
    ) as t
    order by t.position limit 1;
    if not found then
        return;
    end if;
    if holding = 0 and want > 0 then
        select l.tasks into tasks
        from supaqueue_lease_job_tasks(array[lone.job_id], array[lone.task_number], types, lease, request_id, worker_id, limits) as l;
    elsif holding > 0 and lone.run_at < clock_timestamp() - interval '30 seconds' then
        select supaqueue_claim_lone_job_task.worker_id = w.worker_id into drain
        from job_workers w
        where w.stopped_at is null and w.last_seen_at > clock_timestamp() - interval '1 minute'
            and lone.queue = any (w.queues) and lone.task_type = any (w.task_types)
        order by md5(w.worker_id || lone.job_id::text) limit 1;
        drain := coalesce(drain, false);
    end if;
end $$;
