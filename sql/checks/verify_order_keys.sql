-- Prints PASS or FAIL per check of the order keys, with the number of rows that break it and one of the keys, or a job of it. One
-- statement, hence one moment; reads only, but all tasks with an order key and their attempts.
-- A key that stands still would be one whose tasks wait while nobody has the turn and no signal says so. Whatever frees a turn signals
-- in its own transaction, and a claim takes a signal away in the transaction that hands the turn on: so at no moment that anybody can
-- see is there such a key, and none needs time to settle.
--   psql "$SUPABASE_DB_URL" -f sql/checks/verify_order_keys.sql
with keyed as (
    select t.*, t.status in ('pending', 'claimed', 'processing') or t.status = 'failed' and t.blocks_key as in_turn
    from job_tasks t where t.order_key is not null
), leases as (
    select k.queue, k.order_key, k.job_id, a.claimed_at as begins, a.ended_at as ends
    from keyed k join job_task_attempts a using (job_id, task_number)
    union all
    select k.queue, k.order_key, k.job_id, k.claimed_at, 'infinity' from keyed k where k.status in ('claimed', 'processing')
), in_order as (
    select l.*, max(l.ends) over (partition by l.queue, l.order_key order by l.begins, l.ends rows between unbounded preceding and 1 preceding)
        as last_end
    from leases l
), checks (place, name, broken) as (values
    (1, 'of one queue and key at most one task has the turn',
        array(select order_key from keyed where in_turn group by queue, order_key having count(*) > 1)),
    (2, 'no key stands still: where tasks wait, one has the turn or a signal says that none has',
        array(select w.order_key from (select distinct queue, order_key from keyed where status = 'blocked') as w
            where not exists (select from keyed k where k.queue = w.queue and k.order_key = w.order_key and k.in_turn)
                and not exists (
                    select from job_order_key_signals s where s.queue = w.queue and s.order_key = w.order_key))),
    (3, 'no two leases of one queue and key overlap',
        array(select job_id::text from in_order where begins < last_end)),
    (4, 'a task has a place in its key exactly if it has a key, no two of a key have the same, and none was never drawn',
        array(select job_id::text from job_tasks t, job_task_position s
                where (t.order_key is null) <> (t.key_position is null) or t.key_position > s.last_value
            union all
            select order_key from keyed group by queue, order_key, key_position having count(*) > 1)),
    (5, 'only a task with a key can block one, and what waits for its turn is not ready',
        array(select job_id::text from job_tasks
            where order_key is null and blocks_key or order_key is not null and status = 'blocked' and position is not null)),
    (6, 'a job with an order key is Supabase''s',
        array(select k.job_id::text from keyed k where k.status = 'mirrored')),
    (7, 'claims look for keys in every queue that has some',
        array(select k.order_key from keyed k
            where not exists (select from job_order_key_queues q where q.queue = k.queue)))
)
select case when broken = '{}' then 'PASS' else 'FAIL' end as verdict, name as "check", cardinality(broken) as broken,
    broken[1] as example
from checks order by place;
