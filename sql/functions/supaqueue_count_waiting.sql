-- How many tasks could run now in a queue and wait, also if it is paused or others of their order key go first; at most `bound`. What waits for its time does not count. A
-- count of a thousand or more that took a millisecond is kept and trusted for 20 times as long as it took: so counting takes a
-- twentieth of the time at most. A smaller one is taken anew each time: if that was slow, then for another reason.
create or replace function supaqueue_count_waiting(l job_waiting_limits, bound integer) returns integer
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    began constant timestamptz := clock_timestamp();
    found_waiting integer;
    took interval;
begin
    if (l).trusted_until > began then
        return (l).waiting;
    end if;
    select count(*) into found_waiting from (
        (select from job_tasks t
        where t.queue = (l).queue and t.status = 'pending' and t.position is not null
        order by t.queue, t.position desc limit bound)
        union all
        (select from job_tasks t
        where t.queue = (l).queue and t.status = 'pending' and t.position is null and t.run_at <= began
        order by t.queue, t.run_at, t.job_id limit bound)
        union all
        (select from job_tasks t
        where t.queue = (l).queue and t.status = 'blocked' and t.order_key is not null and t.run_at <= began
        order by t.queue, t.order_key, t.key_position limit bound)
    ) as w;
    found_waiting := least(found_waiting, bound);
    took := clock_timestamp() - began;
    if found_waiting >= 1000 and took >= interval '1 ms' then
        update job_waiting_limits b set waiting = found_waiting, trusted_until = clock_timestamp() + least(20 * took, interval '5 s')
        -- Whoever holds the row is counting too: nobody waits for that.
        from (select o.queue from job_waiting_limits o where o.queue = (l).queue for update skip locked) as o
        where b.queue = o.queue;
    end if;
    return found_waiting;
end $$;
