-- Signals the order keys that stand still, so that the next claims hand their turns on, and mends what the claims look them up by, up
-- to 10,000 rows of each in one run. Safe at any time and any number of times: a signal too many is answered and changes nothing.
-- What it cannot decide it leaves: which of two tasks has the turn (verify_order_keys.sql names them).
--   psql "$SUPABASE_DB_URL" -f sql/checks/resync_order_keys.sql
do $$
declare
    queues integer;
    places integer;
    keys integer;
begin
    perform supaqueue_check_call((contract_version_v1() ->> 'newest')::integer);
    -- The transaction has its number before it draws a position: claims rely on that order.
    perform pg_current_xact_id();
    insert into job_order_key_queues (queue)
    select distinct t.queue from job_tasks t
    where t.order_key is not null and not exists (select from job_order_key_queues q where q.queue = t.queue);
    get diagnostics queues = row_count;
    with placeless as materialized (
        select t.job_id, t.task_number from job_tasks t where t.order_key is not null and t.key_position is null
        order by t.job_id, t.task_number limit 10000
    )
    update job_tasks t set key_position = nextval('job_task_position')
    from placeless p where t.job_id = p.job_id and t.task_number = p.task_number;
    get diagnostics places = row_count;
    insert into job_order_key_signals (queue, order_key)
    select w.queue, w.order_key
    from (
        select distinct t.queue, t.order_key from job_tasks t where t.status = 'blocked' and t.order_key is not null
    ) as w
    where not exists (
            select from job_tasks t
            where t.queue = w.queue and t.order_key = w.order_key and t.order_key is not null
                and (t.status in ('pending', 'claimed', 'processing') or t.status = 'failed' and t.blocks_key))
        and not exists (select from job_order_key_signals s where s.queue = w.queue and s.order_key = w.order_key)
    limit 10000;
    get diagnostics keys = row_count;
    raise notice 'rows mended: %', queues + places + keys;
    if greatest(places, keys) = 10000 then
        raise notice 'there may be more: run this again';
    end if;
end $$;
