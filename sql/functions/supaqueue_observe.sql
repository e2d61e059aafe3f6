-- What is known of these jobs, in their order: arrays in the order of `columns`, those that are not here left out. Times are
-- microseconds since 1970. It is json, since a page is written once and read by nobody here: jsonb takes twice as long.
create or replace function supaqueue_observe(job_ids uuid[], next_page text) returns json
language plpgsql stable
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
    return (
        select json_build_object(
            'observed_at', (date_part('epoch', clock_timestamp()) * 1000000)::bigint,
            'columns', json_build_array('job_id', 'task_type', 'owner', 'epoch', 'status', 'mirror_state', 'created_at', 'run_at',
                'finished_at', 'started', 'payload', 'result', 'error', 'attempts', 'owner_outcome', 'shadow'),
            'next_page', next_page,
            'rows', coalesce(json_agg(json_build_array(j.job_id, j.task_type, j.owner, j.epoch, j.status, j.mirror_state,
                (date_part('epoch', j.created_at) * 1000000)::bigint,
                case when t.run_at > j.created_at then (date_part('epoch', t.run_at) * 1000000)::bigint end,
                (date_part('epoch', j.finished_at) * 1000000)::bigint,
                -- What was never leased never started. Of many attempts not all are kept.
                case when t.lease_token > 0 then greatest(t.attempts, (t.status = 'processing')::integer + (
                    select count(*) from job_task_attempts a
                    where a.job_id = t.job_id and a.task_number = t.task_number and a.started_at is not null)) else 0 end,
                t.payload, t.result, t.error, t.attempts,
                case when j.owner_outcome is not null then j.owner_outcome || jsonb_build_object('ended_at',
                    (date_part('epoch', coalesce((j.owner_outcome ->> 'ended_at')::timestamptz, j.owner_ended_at)) * 1000000)::bigint)
                    end,
                case when s.job_id is not null then jsonb_build_object('status', s.status, 'result', s.result, 'error', s.error,
                    'attempts', s.attempts, 'ended_at', (date_part('epoch', s.finished_at) * 1000000)::bigint) end) order by g.n), '[]'))
        from unnest(job_ids) with ordinality as g (job_id, n)
        -- Columns and not whole rows: to take a column out of a row costs more each time than to read it.
        cross join lateral (
            select b.job_id, b.task_type, b.owner, b.epoch, b.status, b.mirror_state, b.created_at, b.finished_at, b.owner_outcome,
                b.owner_ended_at
            from jobs b where b.job_id = g.job_id and b.deduped_into is null offset 0
        ) as j
        left join lateral (
            select b.job_id, b.task_number, b.run_at, b.lease_token, b.attempts, b.status, b.payload, b.result, b.error
            from job_tasks b where b.job_id = g.job_id and b.task_number = 0 offset 0
        ) as t on true
        left join lateral (
            select b.job_id, b.status, b.result, b.error, b.attempts, b.finished_at
            from job_tasks b where b.job_id = g.job_id and b.task_number = 1 and b.purpose = 'shadow' offset 0
        ) as s on true
    );
end $$;
