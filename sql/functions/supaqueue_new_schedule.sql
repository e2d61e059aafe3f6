-- A declaration as the row that it asks for; `version` is the one that it may replace. What is null in its job is left out.
create or replace function supaqueue_new_schedule(given jsonb) returns job_schedules
language sql stable
set search_path from current
as $$
    select jsonb_populate_record(null::job_schedules, '{"missed": "last", "missed_limit": 100}' || (
            select jsonb_object_agg(key, value) from jsonb_each(given) where value <> 'null')
        || jsonb_build_object('job', (
            select jsonb_object_agg(key, value) from jsonb_each(given -> 'job') where value <> 'null')))
$$;
