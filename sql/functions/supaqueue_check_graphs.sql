-- Refuses jobs of several tasks that cannot be run as they are asked for, before anything is written: the field is named, as in
-- jobs[0].tasks[3].after[1]. What a job of one task says of how it is run, here each task says.
create or replace function supaqueue_check_graphs(new_jobs jsonb) returns void
language plpgsql stable
set search_path from current
as $$
declare
    given record;
    problem text;
begin
    for given in
        select format('jobs[%s]', e.n - 1) as place, e.element, coalesce(e.element -> 'tasks', 'null') as tasks
        from jsonb_array_elements(new_jobs) with ordinality as e (element, n)
        where e.element ->> 'tasks' is not null or e.element ->> 'on_failure' is not null order by e.n
    loop
        problem := case
            when given.tasks = 'null' then 'on_failure: expected none without tasks'
            when given.element ->> 'on_failure' is null then 'on_failure: expected fail, skip or continue, together with tasks'
            when given.element ->> 'on_failure' not in ('fail', 'skip', 'continue') then 'on_failure: expected fail, skip or continue'
            when given.element ->> 'owner' = 'legacy' then 'tasks: expected none, the legacy queue knows no jobs of several tasks'
            when given.element ->> 'unique_conflict' <> 'reject' then 'unique_conflict: expected reject for a job of several tasks'
            else (
                select f.field || ': expected none together with tasks'
                from unnest(array['payload', 'order_key', 'max_attempts', 'retry_delay_seconds', 'retry_factor', 'retry_max_delay_seconds',
                    'retry_jitter', 'timeout_seconds']) as f (field)
                where given.element ->> f.field is not null limit 1)
            end;
        if problem is not null then
            raise exception using errcode = 'SQ003', message = format('%s.%s', given.place, problem);
        end if;
        perform supaqueue_check_graph(given.place || '.tasks', given.tasks);
    end loop;
    perform supaqueue_check_graph_types(new_jobs);
end $$;
