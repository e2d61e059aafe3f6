-- The unique keys that new jobs ask for, sorted, each with the ids of those jobs in their order, with the first that may change
-- another one, and how long each of the two would hold it. What is stored already asks for none: it is a repeat.
create or replace function supaqueue_asked_keys(new_jobs jsonb) returns jsonb
language sql stable
set search_path from current
as $$
    select jsonb_agg(jsonb_build_object('task_type', k.task_type, 'unique_key', k.unique_key, 'job_ids', k.job_ids,
        'seconds', k.seconds, 'changer', k.changer, 'changer_seconds', k.changer_seconds) order by k.task_type, k.unique_key)
    from (
        select g.task_type, g.unique_key, jsonb_agg(g.job_id order by g.n) as job_ids,
            (array_agg(g.unique_seconds order by g.n))[1] as seconds,
            (array_agg(g.job_id order by g.n) filter (where g.unique_conflict <> 'reject'))[1] as changer,
            (array_agg(g.unique_seconds order by g.n) filter (where g.unique_conflict <> 'reject'))[1] as changer_seconds
        from (
            select distinct on (e.job_id) e.*
            from rows from (
                jsonb_to_recordset(new_jobs) as (job_id uuid, task_type text, unique_key text, unique_seconds double precision,
                    unique_conflict text)
            ) with ordinality as e (job_id, task_type, unique_key, unique_seconds, unique_conflict, n)
            order by e.job_id, e.n
        ) as g
        where g.unique_key is not null and not exists (select from jobs j where j.job_id = g.job_id offset 0)
        group by g.task_type, g.unique_key
    ) as k
$$;
