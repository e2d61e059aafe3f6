-- Hands on the turns that became free in these queues: answers a bounded number of signals of each. No two claims wait for each other in
-- a circle: queues and keys come in one order, and what a claim locks after this it does not wait for. The marks come back with the
-- axis `order`; `more`: there are signals left.
create or replace function supaqueue_promote_order_keys(
    queues text[], xmin bigint, number bigint, inout marks jsonb, out more boolean
)
language plpgsql volatile
set search_path from current
as $$
declare
    top bigint;
    queue record;
    answered record;
begin
    more := false;
    -- Read in a statement before the signals are: whatever has a lower position was numbered before this.
    select case when is_called then last_value else last_value - 1 end into top from job_task_position;
    for queue in
        select k.queue as name, coalesce(marks -> k.queue, '{}') as given
        from (select u.queue from unnest(queues) as u (queue) group by u.queue order by u.queue collate "C" offset 0) as q
        cross join lateral (select b.queue from job_order_key_queues b where b.queue = q.queue limit 1) as k
    loop
        select * into answered
        from supaqueue_answer_key_signals(queue.name, supaqueue_read_mark(queue.given, 'order'), top, xmin, number);
        more := more or answered.more;
        marks := marks || jsonb_build_object(queue.name, queue.given || jsonb_build_object('order', to_jsonb(answered.mark)));
    end loop;
end $$;
