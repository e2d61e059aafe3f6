-- What is wrong with the retries, timeout or deadline of a job or a task type; null if nothing.
create or replace function supaqueue_retry_problem(options jsonb) returns text
language sql immutable
set search_path from current
return case
    when (options ->> 'retry_delay_seconds')::numeric not between 0 and 2592000 then 'retry_delay_seconds: expected 0 to 2592000'
    when (options ->> 'retry_factor')::numeric not between 1 and 100 then 'retry_factor: expected 1 to 100'
    when (options ->> 'retry_max_delay_seconds')::numeric not between 0 and 2592000
        then 'retry_max_delay_seconds: expected 0 to 2592000'
    when (options ->> 'timeout_seconds')::numeric not between 0.001 and 2592000
        then 'timeout_seconds: expected 0.001 to 2592000'
    when (options ->> 'deadline_seconds')::numeric not between 0.001 and 3153600000
        then 'deadline_seconds: expected 0.001 to 3153600000' end;
