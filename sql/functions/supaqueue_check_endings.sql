create or replace function supaqueue_check_endings(tasks jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    refused record;
begin
    perform supaqueue_check_rows('tasks[%s]', tasks,
        '{"job_id": "a UUID", "task_number": "0 to 32767", "lease_token": "0 to 9007199254740991",
          "outcome": "1 to 200 characters", "result": "JSON", "error": "an object", "after_seconds": "a number",
          "ran_seconds": "a number", "progress": "an object"}',
        array['job_id', 'task_number', 'lease_token', 'outcome']);
    select e.n - 1 as place, c.problem into refused
    from jsonb_array_elements(tasks) with ordinality as e (element, n),
    lateral (select case
        when element ->> 'outcome' not in ('done', 'retry', 'snooze', 'cancel', 'fail', 'park', 'not_started')
            then 'outcome: expected one of done, retry, snooze, cancel, fail, park, not_started'
        when (element ->> 'after_seconds')::numeric not between 0 and 3153600000
            then 'after_seconds: expected 0 to 3153600000'
        when (element ->> 'ran_seconds')::numeric not between 0 and 3153600000
            then 'ran_seconds: expected 0 to 3153600000'
        else supaqueue_progress_problem(element -> 'progress') end as problem) as c
    where c.problem is not null limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('tasks[%s].%s', refused.place, refused.problem);
    end if;
end $$;
