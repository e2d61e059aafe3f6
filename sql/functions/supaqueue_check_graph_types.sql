-- Refuses jobs of several tasks where supaqueue_check_complete_types does, by the types of the whole and of each task. What is stored
-- already is a repeat.
create or replace function supaqueue_check_graph_types(new_jobs jsonb) returns void
language plpgsql stable
set search_path from current
as $$
begin
    perform supaqueue_check_complete_types('tasks', array(
        select distinct t.element ->> 'task_type' from jsonb_array_elements(new_jobs) as j (element)
        cross join lateral jsonb_array_elements(jsonb_build_array(j.element) || (j.element -> 'tasks')) as t (element)
        where jsonb_typeof(j.element -> 'tasks') = 'array'
            and not exists (select from jobs b where b.job_id = (j.element ->> 'job_id')::uuid offset 0)));
end $$;
