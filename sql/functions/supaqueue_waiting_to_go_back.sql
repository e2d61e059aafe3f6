-- The next `want` waiting tasks from a place on, those that wait for their time first, then those that are ready; of them the jobs
-- whose type goes back to legacy. `next` is the place behind them, null at the end. In this order nothing slips through: what comes
-- due in between gets a position behind all others, and what is ready becomes due again only through supaqueue_hand_back.
create or replace function supaqueue_waiting_to_go_back(place jsonb, want integer, out job_ids uuid[], out next jsonb)
language plpgsql stable
set search_path from current
as $$
declare
    from_queue constant text := coalesce(place ->> 'queue', '');
    from_position constant bigint := coalesce((place ->> 'position')::bigint, 0);
    from_time constant timestamptz := coalesce((place ->> 'run_at')::timestamptz, '-infinity');
    from_id constant uuid := coalesce((place ->> 'job_id')::uuid, '00000000-0000-0000-0000-000000000000');
    seen record;
begin
    if (place -> 'ready')::boolean then
        select array_agg(t.job_id) filter (where t.goes_back) as job_ids, count(*) as number,
            jsonb_build_object('ready', true, 'queue', (array_agg(t.queue order by t.n desc))[1],
                'position', (array_agg(t.position order by t.n desc))[1]) as last
        into seen
        from (
            select b.job_id, b.queue, b.position, row_number() over (order by b.queue, b.position) as n,
                b.purpose = 'run' and supaqueue_goes_back(b.task_type) <> 'none' as goes_back
            from job_tasks b
            where b.status = 'pending' and b.position is not null and (b.queue, b.position) > (from_queue, from_position)
            order by b.queue, b.position limit want
        ) as t;
        next := case when seen.number = want then seen.last end;
    else
        select array_agg(t.job_id) filter (where t.goes_back) as job_ids, count(*) as number,
            jsonb_build_object('ready', false, 'queue', (array_agg(t.queue order by t.n desc))[1],
                'run_at', (array_agg(t.run_at order by t.n desc))[1], 'job_id', (array_agg(t.job_id order by t.n desc))[1]) as last
        into seen
        from (
            select b.job_id, b.queue, b.run_at, row_number() over (order by b.queue, b.run_at, b.job_id) as n,
                b.purpose = 'run' and supaqueue_goes_back(b.task_type) <> 'none' as goes_back
            from job_tasks b
            where b.status = 'pending' and b.position is null
                and (b.queue, b.run_at, b.job_id) > (from_queue, from_time, from_id)
            order by b.queue, b.run_at, b.job_id limit want
        ) as t;
        next := case when seen.number = want then seen.last else '{"ready": true}' end;
    end if;
    job_ids := seen.job_ids;
end $$;
