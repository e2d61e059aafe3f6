-- Refuses jobs of several tasks where legacy may own one of their types: it knows no such jobs.
create or replace function supaqueue_check_graph_types(new_jobs jsonb) returns void
language plpgsql stable
set search_path from current
as $$
begin
    if exists (
        select from (
            select t.element ->> 'task_type' as task_type from jsonb_array_elements(new_jobs) as j (element)
            cross join lateral jsonb_array_elements(
                case jsonb_typeof(j.element -> 'tasks') when 'array' then j.element -> 'tasks' else '[]' end || case
                    when j.element ->> 'tasks' is not null then jsonb_build_array(j.element) else '[]' end) as t (element)
            group by 1
        ) as u
        left join lateral (select f.stage from feature_flag f where f.flag_name = 'supabase_queue:' || u.task_type offset 0) as f
            on true
        where coalesce(f.stage, (supaqueue_overall_flag()).stage) <> 'complete') then
        raise exception using errcode = 'SQ005',
            message = 'jobs: tasks are for task types whose cutover is complete: the legacy queue knows no jobs of several tasks; nothing was stored',
            hint = 'Enqueue them one by one until the stage is complete.';
    end if;
end $$;
