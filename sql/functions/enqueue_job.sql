-- Stores one job in the caller's own transaction: for functions and triggers in this database, which commit or roll back the job with
-- their rows. `options`: what else a row of enqueue_jobs may have. Returns the job's id; if its unique key is held, that of the job that holds it.
-- For the database's owner alone: a function that others may call has to be theirs by security definer.
create or replace function enqueue_job(
    task_type text, payload jsonb default 'null', queue text default 'default', options jsonb default '{}'
) returns uuid
language plpgsql security definer
set search_path from current
as $$
declare
    answered jsonb;
begin
    if jsonb_typeof(options) is distinct from 'object' or options ?| array['task_type', 'payload', 'queue'] then
        raise exception using errcode = 'SQ003',
            message = 'options: expected an object without task_type, payload and queue, which are arguments';
    end if;
    answered := enqueue_jobs(jsonb_build_array(
        options || jsonb_build_object('task_type', task_type, 'payload', coalesce(payload, 'null'), 'queue', queue))) -> 0;
    if answered ->> 'answer' = 'conflict' then
        raise exception using errcode = 'SQ003',
            message = 'options: the id or idempotency_key belongs to a job with another payload or other options, or was abandoned',
            hint = 'Use another one, or repeat the first call as it was.';
    end if;
    return coalesce(answered ->> 'deduped_into', answered ->> 'job_id')::uuid;
end $$;
