-- Whether anything here has to do with a task type: a worker that serves it, a declaration, one of the latest jobs.
create or replace function supaqueue_task_type_is_known(given text) returns boolean
language sql stable
set search_path from current
as $$
    select exists (select from job_workers w where given = any (w.task_types))
        or exists (select from job_task_types t where t.task_type = given)
        or exists (
            select from (select j.task_type from jobs j order by j.created_at desc limit 10000) as latest
            where latest.task_type = given)
$$;
