create or replace function supaqueue_check_task_types(request_id uuid, task_types jsonb, changed_by text) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    refused record;
begin
    perform supaqueue_check_rows('task_types[%s]', task_types,
        '{"task_type": "1 to 200 characters", "max_attempts": "1 to 1000", "retry_delay_seconds": "a number",
          "retry_factor": "a number", "retry_max_delay_seconds": "a number", "retry_jitter": "a boolean",
          "timeout_seconds": "a number", "deadline_seconds": "a number"}',
        array['task_type']);
    if request_id is null then
        raise exception using errcode = 'SQ003', message = 'request_id: expected a UUID';
    elsif jsonb_array_length(task_types) > 1000 then
        raise exception using errcode = 'SQ003', message = 'task_types: expected at most 1000 in one call';
    elsif length(changed_by) > 200 then
        raise exception using errcode = 'SQ003', message = 'changed_by: expected at most 200 characters';
    end if;
    select e.n - 1 as place, c.problem into refused
    from jsonb_array_elements(task_types) with ordinality as e (element, n),
    lateral (select supaqueue_retry_problem(element) as problem) as c
    where c.problem is not null limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('task_types[%s].%s', refused.place, refused.problem);
    end if;
end $$;
