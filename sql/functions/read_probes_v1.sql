-- What became of the probes of the last quarter of an hour, by queue (null: of all). A probe is lost that has not ended
-- `lost_after` seconds after it was sent. `lost_in_a_row` counts those since the queue was last seen alive: since a probe of it
-- ended, or it was found busy or paused. `workers`: the living ones that run probes.
create or replace function read_probes_v1(queues text[], lost_after double precision, contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
declare
    at_once constant timestamptz := clock_timestamp();
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_probed(queues);
    if lost_after is null or lost_after not between 1 and 600 then
        raise exception using errcode = 'SQ003', message = 'lost_after: expected 1 to 600';
    end if;
    return jsonb_build_object('read_at', at_once, 'queues', (
        with sent as (
            select p.queue, p.sent_at, p.job_id, t.job_id is null or t.status = 'completed' as has_ended,
                max(greatest(
                    case when t.job_id is null or t.status = 'completed' then coalesce(t.finished_at, p.sent_at) end,
                    case when p.found <> 'idle' then p.sent_at end)) over (partition by p.queue) as alive_at
            from job_probes p
            -- One that is gone had ended: a pruning takes no other.
            left join lateral (
                select b.job_id, b.status, b.finished_at from job_tasks b where b.job_id = p.job_id and b.task_number = 0 offset 0
            ) as t on true
            where p.sent_at > at_once - interval '15 minutes'
                and (read_probes_v1.queues is null or p.queue = any (read_probes_v1.queues))
        ), told as (
            select s.queue, count(*) as sent,
                count(*) filter (where not s.has_ended and s.sent_at <= at_once - make_interval(secs => lost_after)
                    and (s.sent_at >= s.alive_at) is not false) as lost,
                jsonb_agg(jsonb_build_object('job_id', s.job_id, 'sent_at', s.sent_at) order by s.sent_at desc) as probes
            from sent s group by s.queue
        )
        select coalesce(jsonb_agg(jsonb_build_object('queue', d.queue, 'found', l.found, 'sent', d.sent,
            'lost_in_a_row', case l.found when 'idle' then d.lost else 0 end, 'workers', w.serving, 'probes', d.probes)
            order by d.queue), '[]')
        from told d
        cross join lateral (select supaqueue_look_at_queue(d.queue) as found offset 0) as l
        cross join lateral (select * from supaqueue_living_workers(d.queue) offset 0) as w));
end $$;
