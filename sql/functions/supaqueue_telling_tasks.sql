-- Of a job of several tasks those that tell how it went: the first hundred with none behind them, whose results are the job's, and the
-- first ten that failed. list_job_tasks_v1 reads all.
create or replace function supaqueue_telling_tasks(given_id uuid) returns smallint[]
language sql stable
set search_path from current
as $$
    select coalesce(array_agg(u.task_number), '{}') from (
        (select t.task_number from job_tasks t where t.job_id = given_id and t.runs_before is null order by t.task_number limit 100)
        union
        (select t.task_number from job_tasks t where t.job_id = given_id and t.status = 'failed' order by t.task_number limit 10)
    ) as u
$$;
