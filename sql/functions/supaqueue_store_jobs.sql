-- Stores those of these jobs whose ids are not here yet, each with one task: `created`. Rows go in in id order, so that two
-- sessions with the same ids cannot deadlock. Who owns a job was decided by who enqueues it; what the flag does not give to
-- Supabase is `refused`. A job that comes without an owner is placed here; if it is legacy's, a relay takes it there, or it is
-- `unrouted`; so are all of them while the environment steers, which is not known here. The flag is read by a transaction that has its number: see hand_back_jobs_v1.
-- What met a unique key (supaqueue_dedupe_jobs) is stored without a task, or with one only for supaqueue_replace_jobs; of what has several
-- tasks (supaqueue_store_graphs) only the job is stored here.
create or replace function supaqueue_store_jobs(
    new_jobs jsonb, at_once timestamptz, out created uuid[], out refused uuid[], out unrouted uuid[]
)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    overall constant feature_flag := supaqueue_overall_flag();
    types_have_flags constant boolean := exists (select from feature_flag f where f.task_type is not null);
    has_limits constant boolean := exists (select from job_running_limits);
begin
    if overall.flag_name is null then
        raise exception using errcode = 'SQ005', message = 'feature_flag has no row called supabase_queue: nothing says who owns new jobs',
            hint = 'Put it back from feature_flag_changes.';
    end if;
    with given as materialized (
        select distinct on (g.job_id) g.n, g.job_id, g.queue, g.task_type, g.tags, g.tenant, coalesce(g.priority, 0) as priority, g.owner,
            g.order_key, g.order_key is not null and g.order_on_failure is distinct from 'continue' as blocks_key,
            g.unique_key, g.deduped_into, g.deduped_as, g.on_failure,
            case when g.deduped_as is not null then 0 else coalesce(jsonb_array_length(nullif(g.tasks, 'null')), 1) end as task_count,
            case when g.unique_key is not null then coalesce(g.unique_until, 'window') end as unique_until,
            coalesce(g.element -> 'payload', 'null') as payload,
            sha256(convert_to((g.element - array['job_id', 'owner', 'deduped_into', 'deduped_as'])::text, 'UTF8')) as content_hash, b.bucket,
            coalesce(g.run_at, at_once + make_interval(secs => g.delay_seconds), at_once) as run_at,
            coalesce(g.max_attempts, p.max_attempts, 5) as max_attempts,
            coalesce(make_interval(secs => g.retry_delay_seconds), p.retry_delay, interval '5 s') as retry_delay,
            coalesce(g.retry_factor, p.retry_factor, 2) as retry_factor,
            coalesce(make_interval(secs => g.retry_max_delay_seconds), p.retry_max_delay, interval '1 h') as retry_max_delay,
            coalesce(g.retry_jitter, p.retry_jitter, true) as retry_jitter,
            coalesce(make_interval(secs => g.timeout_seconds), p.timeout) as timeout,
            g.deadline_at, coalesce(make_interval(secs => g.deadline_seconds), p.deadline) as deadline,
            case when has_limits then supaqueue_turn_of(g.queue, g.task_type, g.tenant) else g.tenant end as turn,
            (o.own).stage in ('canary', 'live') as has_mirror, (o.own).relays_unrouted, (o.own).shadow_percent,
            -- Without a cutover no row costs a call.
            case when (o.own).stage = 'complete' then 'supabase' when g.owner is null and (o.own).by_environment then 'legacy'
                else supaqueue_placed(overall, o.own, b.bucket, g.tenant) end as place
        from rows from (
            jsonb_array_elements(new_jobs),
            jsonb_to_recordset(new_jobs) as (job_id uuid, queue text, task_type text, run_at timestamptz,
                delay_seconds double precision, max_attempts integer, retry_delay_seconds double precision, retry_factor real,
                retry_max_delay_seconds double precision, retry_jitter boolean, timeout_seconds double precision,
                deadline_at timestamptz, deadline_seconds double precision, tags text[], tenant text, priority smallint, owner text,
                unique_key text, unique_until text, deduped_into uuid, deduped_as text, order_key text, order_on_failure text, on_failure text, tasks jsonb)
        ) with ordinality as g (element, job_id, queue, task_type, run_at, delay_seconds, max_attempts,
            retry_delay_seconds, retry_factor, retry_max_delay_seconds, retry_jitter, timeout_seconds, deadline_at,
            deadline_seconds, tags, tenant, priority, owner, unique_key, unique_until, deduped_into, deduped_as, order_key, order_on_failure,
            on_failure, tasks, n)
        left join lateral (select * from job_task_types b where b.task_type = g.task_type offset 0) as p on true
        left join lateral (
            select f as own from feature_flag f where types_have_flags and f.flag_name = 'supabase_queue:' || g.task_type offset 0
        ) as f on true
        cross join lateral (select coalesce(f.own, overall) as own offset 0) as o
        cross join lateral (select job_bucket(g.job_id) as bucket offset 0) as b
        order by g.job_id, g.n
    ), stored as (
        insert into jobs (job_id, queue, task_type, bucket, tags, tenant, content_hash, created_at, owner, epoch, status, mirror_state,
            unique_key, unique_until, deduped_into, deduped_as, on_failure, task_count, unfinished_tasks, finished_at)
        select job_id, queue, task_type, bucket, coalesce(tags, '{}'), tenant, content_hash, at_once,
            coalesce(owner, place), case when owner is null and place = 'legacy' then 1 else 0 end,
            case when deduped_as is not null then 'deduplicated' when coalesce(owner, place) = 'legacy' then 'mirrored' else 'pending' end,
            case when coalesce(owner, place) = 'supabase' and has_mirror then 'due'
                when owner is null and place = 'legacy' then 'release_due' else 'none' end,
            case when deduped_as is null then unique_key end, case when deduped_as is null then unique_until end,
            deduped_into, deduped_as, on_failure, task_count, task_count,
            case when deduped_as is not null then at_once end
        from given
        where owner = 'legacy' or place = 'supabase' or owner is null and relays_unrouted
        order by job_id
        on conflict do nothing
        returning job_id, owner
    ), tasks as (
        insert into job_tasks (job_id, queue, task_type, status, tenant, priority, payload, run_at, position, max_attempts, retry_delay,
            retry_factor, retry_max_delay, retry_jitter, timeout, deadline_at, releases_key, order_key, key_position, blocks_key)
        select job_id, queue, task_type, case when stored_owner = 'legacy' then 'mirrored' when order_key is not null then 'blocked' else 'pending' end, turn, priority, payload, run_at,
            case when run_at <= at_once and stored_owner = 'supabase' and order_key is null then nextval('job_task_position') end,
            max_attempts, retry_delay, retry_factor, retry_max_delay, retry_jitter, timeout,
            -- One that has passed passes now: claims look for deadlines from where the clock was at their last look.
            case when ends_at < at_once then at_once else ends_at end,
            deduped_as is null and unique_until is not distinct from 'started',
            order_key, case when order_key is not null then nextval('job_task_position') end, blocks_key
        from (
            select p.*, s.owner as stored_owner, coalesce(deadline_at, run_at + deadline) as ends_at
            from given p join stored s using (job_id)
            where p.deduped_as is distinct from 'deduplicated' and p.on_failure is null order by p.n
        ) as in_order
    ), lines as (
        insert into job_lines (queue, priority)
        select g.queue, g.priority from given g
        where g.priority <> 0
            and not exists (select from job_lines b where b.queue = g.queue and b.priority = g.priority offset 0)
        group by g.queue, g.priority
    ), keyed_queues as (
        insert into job_order_key_queues (queue)
        select g.queue from given g
        where g.order_key is not null and not exists (select from job_order_key_queues b where b.queue = g.queue offset 0)
        group by g.queue
    ), signals as (
        insert into job_order_key_signals (queue, order_key)
        select g.queue, g.order_key from given g where g.order_key is not null group by g.queue, g.order_key order by min(g.n)
    ), shadows as (
        insert into job_tasks (job_id, task_number, queue, task_type, purpose, payload, run_at, position, max_attempts, timeout)
        select p.job_id, 1, p.queue, p.task_type, 'shadow', p.payload, p.run_at,
            case when p.run_at <= at_once then nextval('job_task_position') end, 1, p.timeout
        from stored s join given p using (job_id)
        where s.owner = 'legacy' and p.bucket < p.shadow_percent * 100
    )
    select (select array_agg(job_id) from stored),
        array_agg(job_id) filter (where owner = 'supabase' and place = 'legacy'),
        array_agg(job_id) filter (where owner is null and place = 'legacy' and not relays_unrouted)
    into created, refused, unrouted
    from given;
end $$;
