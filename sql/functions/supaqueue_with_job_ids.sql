-- New jobs as enqueue_jobs_v1 takes them, each with an id and a queue.
create or replace function supaqueue_with_job_ids(jobs jsonb) returns jsonb
language plpgsql
set search_path from current
as $$
begin
    perform supaqueue_check_rows('jobs[%s]',
        case when jsonb_typeof(jobs) = 'array' then (
            select coalesce(jsonb_agg(case when jsonb_typeof(e) = 'object'
                then (select coalesce(jsonb_object_agg(f.key, f.value), '{}') from jsonb_each(e) as f
                    where f.key in ('job_id', 'idempotency_key', 'task_type', 'queue', 'tenant', 'owner')) else e end order by n), '[]')
            from jsonb_array_elements(jobs) with ordinality as g (e, n)) else jobs end,
        '{"job_id": "a UUID", "idempotency_key": "a string", "task_type": "1 to 200 characters", "queue": "1 to 200 characters",
          "tenant": "1 to 200 characters", "owner": "null"}', array['task_type']);
    if exists (
        select from jsonb_array_elements(jobs) as e where length(e ->> 'idempotency_key') not between 1 and 1000
            or e ->> 'idempotency_key' is not null and e ->> 'job_id' is not null) then
        raise exception using errcode = 'SQ003',
            message = 'jobs: expected an idempotency_key of 1 to 1000 characters, and none together with job_id';
    end if;
    return (
        select coalesce(jsonb_agg('{"queue": "default"}' || jsonb_strip_nulls(e - array['payload', 'idempotency_key', 'job_id'])
            || jsonb_build_object('payload', coalesce(e -> 'payload', 'null'), 'job_id', coalesce(lower(e ->> 'job_id'), case
                when e ->> 'idempotency_key' is not null
                    then supaqueue_key_job_id(e ->> 'task_type', e ->> 'idempotency_key')::text
                else supaqueue_new_job_id(e ->> 'task_type', e ->> 'tenant')::text end)) order by n), '[]')
        from jsonb_array_elements(jobs) with ordinality as g (e, n)
    );
end $$;
