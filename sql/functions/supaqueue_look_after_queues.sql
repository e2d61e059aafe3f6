-- What every claim does for its queues: rescues tasks whose worker died, fails those whose deadline passed, makes due ones ready.
-- One statement tells for all queues where there is anything to do; where nothing is due the mark moves on without a call. Past 2 s
-- the rest is for the next claim: after an outage each queue may have hundreds to rescue. Answers the marks with these axes as
-- they are now, and the tasks that this was the end of.
create or replace function supaqueue_look_after_queues(
    queues text[], xmin bigint, number bigint, inout marks jsonb, out failed jsonb, out more boolean
)
language plpgsql volatile
set search_path from current
as $$
declare
    began_us constant bigint := supaqueue_microseconds(clock_timestamp());
    queue record;
    rescued record;
    expired record;
begin
    failed := '[]';
    more := false;
    for queue in
        select q.queue as name, q.given, g.leased, g.deadline, g.due as due_before, w.has_due,
            supaqueue_close_mark(w.mark, began_us, w.walk_to, null) as due
        from (select distinct u.queue, coalesce(marks -> u.queue, '{}') as given from unnest(queues) as u (queue)) as q
        cross join lateral (
            select supaqueue_read_mark(q.given, 'leased') as leased, supaqueue_read_mark(q.given, 'deadline') as deadline,
                supaqueue_read_mark(q.given, 'due') as due offset 0
        ) as g
        cross join lateral supaqueue_look_for_due(q.queue, g.due, began_us, xmin, number) as w
    loop
        if supaqueue_microseconds(clock_timestamp()) - began_us > 2000000 then
            more := true;
            continue;
        end if;
        if (queue.leased).at between began_us - 500000 and began_us is not true then
            select * into rescued from supaqueue_rescue_job_tasks(queue.name, queue.leased, xmin, number);
            queue.leased := rescued.mark;
            failed := failed || rescued.failed;
        end if;
        if (queue.deadline).at between began_us - 500000 and began_us is not true then
            select * into expired from supaqueue_expire_job_tasks(queue.name, queue.deadline, xmin, number);
            queue.deadline := expired.mark;
            failed := failed || expired.failed;
        end if;
        if queue.has_due then
            queue.due := supaqueue_promote_due_job_tasks(queue.name, queue.due_before, xmin, number);
        end if;
        more := more or (queue.due).at < began_us;
        marks := marks || jsonb_build_object(queue.name, queue.given || jsonb_build_object(
            'leased', to_jsonb(queue.leased), 'deadline', to_jsonb(queue.deadline), 'due', to_jsonb(queue.due)));
    end loop;
end $$;
