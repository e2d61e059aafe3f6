-- Refuses whatever is no array of leases, each maybe with a report of progress.
create or replace function supaqueue_check_progress(tasks jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    refused record;
begin
    perform supaqueue_check_rows('tasks[%s]', tasks,
        '{"job_id": "a UUID", "task_number": "0 to 32767", "lease_token": "0 to 9007199254740991", "progress": "an object"}',
        array['job_id', 'task_number', 'lease_token']);
    select e.n - 1 as place, c.problem into refused
    from jsonb_array_elements(tasks) with ordinality as e (element, n),
    lateral (select supaqueue_progress_problem(element -> 'progress') as problem) as c
    where c.problem is not null limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('tasks[%s].%s', refused.place, refused.problem);
    end if;
end $$;
