-- Prints PASS or FAIL per check, with the number of rows that break it and the job_id of one. One statement, hence one
-- moment; reads only, and all of jobs, job_tasks and job_task_attempts: on a large queue run it on a replica.
--   psql "$SUPABASE_DB_URL" -f sql/checks/verify_jobs.sql
with counted as (
    select j.job_id, j.status, j.task_count, j.active_tasks, j.unfinished_tasks, j.failed_tasks, j.cancelled_tasks,
        count(t.job_id) as tasks,
        count(t.job_id) filter (where t.status in ('claimed', 'processing')) as active,
        count(t.job_id) filter (where t.status in ('blocked', 'pending', 'claimed', 'processing')) as unfinished,
        count(t.job_id) filter (where t.status = 'failed') as failed,
        count(t.job_id) filter (where t.status = 'cancelled') as cancelled
    from jobs j left join job_tasks t on t.job_id = j.job_id and t.purpose = 'run'
    where j.status <> 'mirrored' group by j.job_id
), ended_leases as (
    select t.job_id, t.task_number, count(a.job_id) as leases, count(a.attempt) as numbered,
        count(distinct a.attempt) as distinct_numbers, max(a.attempt) as last_number, max(a.lease_token) as last_token,
        count(a.job_id) filter (where a.outcome = 'lease_lost') as lost,
        count(a.job_id) filter (where a.status_after <> 'pending') as terminal,
        count(a.job_id) filter (where a.status_after <> 'pending' and a.status_after = t.status) as terminal_as_task,
        count(a.job_id) filter (where a.status_after not in ('pending', 'completed', 'failed', 'cancelled')) as strange
    from job_tasks t left join job_task_attempts a using (job_id, task_number)
    group by t.job_id, t.task_number
), broken (name, job_id) as (
    select 'each job''s task_count is the number of its tasks', job_id from counted where task_count <> tasks
    union all
    select 'each job''s active_tasks is the number of its leased tasks', job_id from counted where active_tasks <> active
    union all
    select 'each job''s unfinished_tasks is the number of its unfinished tasks', job_id from counted
    where unfinished_tasks <> unfinished
    union all
    select 'each job''s failed_tasks and cancelled_tasks are the numbers of such tasks', job_id from counted
    where failed_tasks <> failed or cancelled_tasks <> cancelled
    union all
    select 'each job''s status follows from its tasks', job_id from counted
    where status <> case
        when unfinished > 0 and (active > 0 or unfinished < tasks) then 'processing'
        when unfinished > 0 then 'pending'
        when failed > 0 then 'failed'
        when cancelled > 0 or tasks = 0 then 'cancelled'
        else 'completed' end
    union all
    select 'a job has finished_at exactly if it has ended', job_id from jobs
    where status <> 'mirrored' and (finished_at is not null) <> (status in ('completed', 'failed', 'cancelled'))
    union all
    select 'only an abandoned job has no tasks and no content', j.job_id from jobs j
    where (j.content_hash is null or not exists (select from job_tasks t where t.job_id = j.job_id))
        and (j.abandoned_at is null or j.content_hash is not null or j.status <> 'cancelled')
    union all
    select 'each job''s bucket is that of its id', job_id from jobs where bucket <> job_bucket(job_id)
    union all
    select 'a task has a worker, an expiry and a claim exactly if it is leased', job_id from job_tasks
    where num_nulls(worker_id, lease_expires_at, claimed_at, claim_request)
        <> case when status in ('claimed', 'processing') then 0 else 4 end
    union all
    select 'a task has finished_at exactly if it has ended', job_id from job_tasks
    where (finished_at is not null) <> (status in ('completed', 'failed', 'cancelled'))
    union all
    select 'a task inside a handler has started_at, one that waits has not', job_id from job_tasks
    where (status = 'processing' and started_at is null)
        or (status in ('blocked', 'pending', 'claimed') and started_at is not null)
    union all
    select 'a task has a position only while it is ready or leased, and none that was not drawn', t.job_id
    from job_tasks t, job_task_position s
    where t.position is not null
        and (t.status not in ('pending', 'claimed', 'processing') or t.position > s.last_value)
    union all
    select 'no two tasks have the same position', (array_agg(job_id))[1] from job_tasks
    where position is not null group by position having count(*) > 1
    union all
    select 'a completed or failed task has one terminal attempt; a cancelled one has one, or none if it never ran on',
        t.job_id
    from job_tasks t join ended_leases e using (job_id, task_number)
    where t.status in ('completed', 'failed', 'cancelled') and (e.terminal <> e.terminal_as_task
        or e.terminal > 1 or (e.terminal = 0 and t.status <> 'cancelled'))
    union all
    select 'an unfinished task has no terminal attempt', t.job_id
    from job_tasks t join ended_leases e using (job_id, task_number)
    where t.status in ('blocked', 'pending', 'claimed', 'processing') and e.terminal > 0 or e.strange > 0
    union all
    select 'no attempt is counted twice or left out', t.job_id
    from job_tasks t join ended_leases e using (job_id, task_number)
    where e.numbered <> e.distinct_numbers or t.attempts <> e.numbered or t.attempts <> coalesce(e.last_number, 0)
    union all
    select 'no task has more attempts than it may', job_id from job_tasks where attempts > max_attempts
    union all
    select 'each lease but the present one has ended, and once', t.job_id
    from job_tasks t join ended_leases e using (job_id, task_number)
    where e.leases <> t.lease_token - (t.status in ('claimed', 'processing'))::integer
        or e.last_token > t.lease_token - (t.status in ('claimed', 'processing'))::integer
    union all
    select 'each task''s lost_leases is the number of leases that it lost', t.job_id
    from job_tasks t join ended_leases e using (job_id, task_number) where t.lost_leases <> e.lost
), named (place, name) as (
    select * from unnest(array[
        'each job''s task_count is the number of its tasks',
        'each job''s active_tasks is the number of its leased tasks',
        'each job''s unfinished_tasks is the number of its unfinished tasks',
        'each job''s failed_tasks and cancelled_tasks are the numbers of such tasks',
        'each job''s status follows from its tasks',
        'a job has finished_at exactly if it has ended',
        'only an abandoned job has no tasks and no content',
        'each job''s bucket is that of its id',
        'a task has a worker, an expiry and a claim exactly if it is leased',
        'a task has finished_at exactly if it has ended',
        'a task inside a handler has started_at, one that waits has not',
        'a task has a position only while it is ready or leased, and none that was not drawn',
        'no two tasks have the same position',
        'a completed or failed task has one terminal attempt; a cancelled one has one, or none if it never ran on',
        'an unfinished task has no terminal attempt',
        'no attempt is counted twice or left out',
        'no task has more attempts than it may',
        'each lease but the present one has ended, and once',
        'each task''s lost_leases is the number of leases that it lost'
    ]) with ordinality as u (name, place)
)
select case when count(b.name) = 0 then 'PASS' else 'FAIL' end as verdict, coalesce(n.name, b.name) as "check",
    count(b.name) as broken, (array_agg(b.job_id order by b.job_id))[1] as example_job_id
from named n full join broken b using (name)
group by coalesce(n.name, b.name) order by min(n.place);
