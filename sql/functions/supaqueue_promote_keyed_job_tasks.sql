-- Lets the first of the tasks that wait for these keys have its turn, where nobody has it. The caller took the keys' signals; a key
-- whose task another session holds gets a new one. Another claim may have given the turn to another task meanwhile, of which this
-- session's look knew nothing: the index refuses the second, and the look is repeated. A deadline that passed while the task waited
-- passes now: claims look for deadlines from where the clock was at their last look.
create or replace function supaqueue_promote_keyed_job_tasks(queue_name text, keys text[]) returns void
language plpgsql volatile
set search_path from current
as $$
declare
    tries constant integer := 3;
    heads record;
    free_jobs uuid[];
    at_once timestamptz;
    promoted record;
begin
    for try in 1 .. tries loop
        begin
            select array_agg(k.order_key order by k.n) as keys, array_agg(h.job_id order by k.n) as job_ids,
                array_agg(h.task_number order by k.n) as task_numbers
            into heads
            from unnest(keys) with ordinality as k (order_key, n)
            cross join lateral (
                select exists (
                    select from job_tasks t
                    where t.queue = queue_name and t.order_key = k.order_key and t.order_key is not null
                        and (t.status in ('pending', 'claimed', 'processing') or t.status = 'failed' and t.blocks_key)) as held offset 0
            ) as turn
            cross join lateral (
                select t.job_id, t.task_number from job_tasks t
                where not turn.held and t.queue = queue_name and t.order_key = k.order_key and t.order_key is not null
                    and t.status = 'blocked'
                order by t.queue, t.order_key, t.key_position limit 1
            ) as h;
            free_jobs := supaqueue_lock_free_jobs(heads.job_ids);
            at_once := clock_timestamp();
            with moved as (
                update job_tasks t
                set status = 'pending', position = case when before.run_at <= at_once then h.position end,
                    deadline_at = case when before.deadline_at < at_once then at_once else before.deadline_at end
                from (
                    -- Places go by the order given; entries of the index, which may have to be waited for, by that of the keys.
                    select p.* from (
                        select u.*, nextval('job_task_position') as position
                        from unnest(heads.keys, heads.job_ids, heads.task_numbers) as u (order_key, job_id, task_number)
                        where u.job_id = any (free_jobs) offset 0
                    ) as p
                    order by p.order_key collate "C" offset 0
                ) as h
                cross join lateral (
                    select b.ctid as place, b.status, b.run_at, b.deadline_at from job_tasks b
                    where b.job_id = h.job_id and b.task_number = h.task_number offset 0
                ) as before
                where t.ctid = before.place and before.status = 'blocked'
                returning t.order_key, t.job_id
            )
            select array_agg(m.order_key) as keys, array_agg(m.job_id) as job_ids into promoted from moved m;
            insert into job_order_key_signals (queue, order_key)
            select queue_name, u.order_key from unnest(heads.keys) as u (order_key)
            where u.order_key <> all (coalesce(promoted.keys, '{}'));
            perform supaqueue_hand_back(promoted.job_ids);
            return;
        exception when unique_violation then
            null;
        end;
    end loop;
    insert into job_order_key_signals (queue, order_key) select queue_name, u.order_key from unnest(keys) as u (order_key);
end $$;
