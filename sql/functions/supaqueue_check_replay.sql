create or replace function supaqueue_check_replay(tasks jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    place bigint;
begin
    perform supaqueue_check_rows('tasks[%s]', tasks,
        '{"job_id": "a UUID", "task_number": "0 to 32767", "lease_token": "0 to 9007199254740991", "delay_seconds": "a number"}',
        array['job_id', 'task_number', 'lease_token']);
    if jsonb_array_length(tasks) > 10000 then
        raise exception using errcode = 'SQ003', message = 'tasks: expected at most 10000 in one call';
    end if;
    select e.n - 1 into place from jsonb_array_elements(tasks) with ordinality as e (element, n)
    where (element ->> 'delay_seconds')::numeric not between 0 and 3153600000 limit 1;
    if found then
        raise exception using
            errcode = 'SQ003', message = format('tasks[%s].delay_seconds: expected 0 to 3153600000', place);
    end if;
end $$;
