-- Lets the jobs of dead letters that are to be replayed hold their unique keys again, if they are held until a job's end; those whose
-- key another job holds by now are answered: they cannot run. The caller holds the jobs' locks.
create or replace function supaqueue_retake_keys(tasks jsonb) returns uuid[]
language plpgsql
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
begin
    return array(
        select k.job_id
        from (
            select distinct j.task_type, j.unique_key, j.job_id
            from jsonb_to_recordset(tasks) as g (job_id uuid, task_number smallint, lease_token bigint)
            cross join lateral (
                select b.task_type, b.unique_key, b.job_id from jobs b
                where b.job_id = g.job_id and b.unique_until = 'finished' offset 0
            ) as j
            cross join lateral (
                select b.status, b.purpose, b.lease_token from job_tasks b
                where b.job_id = g.job_id and b.task_number = g.task_number offset 0
            ) as t
            where t.status = 'failed' and t.purpose = 'run' and t.lease_token = g.lease_token
            order by j.task_type, j.unique_key, j.job_id offset 0
        ) as k
        cross join lateral supaqueue_hold_key(k.task_type, k.unique_key, k.job_id, null, at_once) as h
        where h.holder <> k.job_id);
end $$;
