-- Fails those of these tasks that wait and whose deadline has passed, as far as no other session holds their jobs. Answers what
-- failed, and their deadlines in microseconds.
create or replace function supaqueue_fail_late_job_tasks(
    job_ids uuid[], task_numbers smallint[], out failed jsonb, out ended_us bigint[]
)
language plpgsql volatile
set search_path from current
as $$
declare
    free_jobs constant uuid[] := supaqueue_lock_free_jobs(job_ids);
    at_once constant timestamptz := clock_timestamp();
    counted uuid[];
    graphs uuid[];
    graph_tasks smallint[];
    none integer[];
begin
    with late as (
        update job_tasks t
        set status = 'failed', position = null, finished_at = at_once, error = supaqueue_deadline_error(t.deadline_at, t.error)
        from unnest(job_ids, task_numbers) as u (job_id, task_number)
        cross join lateral (
            select b.ctid as place, b.status, b.deadline_at from job_tasks b
            where b.job_id = u.job_id and b.task_number = u.task_number offset 0
        ) as before
        where t.ctid = before.place and u.job_id = any (free_jobs)
            and before.status = 'pending' and before.deadline_at <= at_once
        returning t.job_id, t.task_number, t.queue, t.task_type, t.attempts, t.purpose, t.deadline_at, t.error,
            t.task_name is not null as is_in_graph
    )
    select coalesce(jsonb_agg(jsonb_build_object('job_id', l.job_id, 'task_number', l.task_number, 'queue', l.queue,
            'task_type', l.task_type, 'attempt', l.attempts, 'error_type', l.error -> 'type'))
            filter (where l.purpose = 'run'), '[]'),
        array_agg(supaqueue_microseconds(l.deadline_at)), array_agg(l.job_id) filter (where l.purpose = 'run'),
        array_agg(l.job_id) filter (where l.is_in_graph), array_agg(l.task_number) filter (where l.is_in_graph)
    into failed, ended_us, counted, graphs, graph_tasks
    from late l;
    if counted is not null then
        none := array_fill(0, array[cardinality(counted)]);
        perform supaqueue_count_tasks(counted, none, array_fill(-1, array[cardinality(counted)]),
            array_fill(1, array[cardinality(counted)]), none, at_once);
    end if;
    if graphs is not null then
        perform supaqueue_go_on(graphs, graph_tasks, at_once);
    end if;
end $$;
