-- Refuses new jobs before anything is written: a violated table constraint would put the whole row, payload included, into
-- the error's detail and the server's log.
create or replace function supaqueue_check_new_jobs(new_jobs jsonb) returns void
language plpgsql stable
set search_path from current
as $$
declare
    refused record;
begin
    perform supaqueue_check_rows('jobs[%s]', new_jobs,
        '{"job_id": "a UUID", "queue": "1 to 200 characters", "task_type": "1 to 200 characters", "payload": "JSON",
          "run_at": "a string", "delay_seconds": "a number", "max_attempts": "1 to 1000",
          "retry_delay_seconds": "a number", "retry_factor": "a number", "retry_max_delay_seconds": "a number",
          "retry_jitter": "a boolean", "timeout_seconds": "a number", "deadline_at": "a string",
          "deadline_seconds": "a number", "tags": "an array of names", "tenant": "1 to 200 characters", "priority": "-5 to 5",
          "unique_key": "1 to 200 characters", "unique_until": "a string", "unique_seconds": "a number",
          "unique_conflict": "a string", "order_key": "1 to 200 characters", "order_on_failure": "a string",
          "tasks": "an array", "on_failure": "a string",
          "owner": "a string"}',
        array['job_id', 'queue', 'task_type']);
    if jsonb_array_length(new_jobs) > 10000 then
        raise exception using errcode = 'SQ003', message = 'jobs: expected at most 10000 in one call';
    end if;
    select e.n - 1 as place, c.problem into refused
    from jsonb_array_elements(new_jobs) with ordinality as e (element, n),
    lateral (select case
        when job_bucket((element ->> 'job_id')::uuid) > 9999
            then 'job_id: expected a UUID whose last 14 bits are a bucket, 0 to 9999'
        when not supaqueue_is_moment(element ->> 'run_at') then 'run_at: expected a moment, like 2030-01-31T12:00:00Z'
        when element ->> 'run_at' is not null and element ->> 'delay_seconds' is not null
            then 'delay_seconds: expected none together with run_at'
        when (element ->> 'delay_seconds')::numeric not between 0 and 3153600000
            then 'delay_seconds: expected 0 to 3153600000'
        when not supaqueue_is_moment(element ->> 'deadline_at')
            then 'deadline_at: expected a moment, like 2030-01-31T12:00:00Z'
        when element ->> 'deadline_at' is not null and element ->> 'deadline_seconds' is not null
            then 'deadline_seconds: expected none together with deadline_at'
        when (element ->> 'deadline_at')::timestamptz <= (element ->> 'run_at')::timestamptz
            then 'deadline_at: expected a moment after run_at'
        when jsonb_typeof(element -> 'tags') = 'array' and jsonb_array_length(element -> 'tags') > 100
            then 'tags: expected at most 100'
        when element ->> 'owner' not in ('supabase', 'legacy') then 'owner: expected supabase or legacy'
        else coalesce(supaqueue_retry_problem(element), supaqueue_unique_problem(element), supaqueue_order_problem(element)) end as problem) as c
    where c.problem is not null limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('jobs[%s].%s', refused.place, refused.problem);
    end if;
    if new_jobs @? '$[*].tasks' or new_jobs @? '$[*].on_failure' then
        perform supaqueue_check_graphs(new_jobs);
    end if;
end $$;
