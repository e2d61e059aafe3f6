create or replace function supaqueue_check_claim(
    request_id uuid, worker_id text, queues text[], task_types text[], want integer, holding integer,
    lease_seconds double precision, marks jsonb
) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    expected text := case
        when request_id is null then 'request_id: expected a UUID'
        when length(worker_id) between 1 and 200 is not true then 'worker_id: expected 1 to 200 characters'
        when coalesce(cardinality(queues), 0) not between 1 and 100 or array_position(queues, null) is not null
            then 'queues: expected 1 to 100 names'
        when coalesce(cardinality(task_types), 0) not between 1 and 1000 or array_position(task_types, null) is not null
            then 'task_types: expected 1 to 1000 names'
        when want between 0 and 1000 is not true then 'want: expected 0 to 1000'
        when holding >= 0 is not true then 'holding: expected how many tasks the worker holds'
        when exists (select from unnest(queues || task_types) as name where length(name) not between 1 and 200)
            then 'queues, task_types: expected names of 1 to 200 characters'
        when jsonb_typeof(marks) is distinct from 'object'
            then 'marks: expected what the last claim answered, {} at first' end;
begin
    perform supaqueue_check_lease(lease_seconds);
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
