-- Prints PASS or FAIL per check, with the number of rows that break it and the job_id of one. One statement, hence one
-- moment; reads only, but all of jobs, job_tasks and job_task_attempts: run it on a replica if the queue is large.
--   psql "$SUPABASE_DB_URL" -f sql/checks/verify_jobs.sql
with counted as (
    select j.job_id, j.status, j.abandoned_at, j.task_count, j.active_tasks, j.unfinished_tasks, j.failed_tasks, j.cancelled_tasks,
        count(t.job_id) as tasks,
        count(t.job_id) filter (where t.status in ('claimed', 'processing')) as active,
        count(t.job_id) filter (where t.status in ('blocked', 'pending', 'claimed', 'processing')) as unfinished,
        count(t.job_id) filter (where t.status = 'failed') as failed,
        count(t.job_id) filter (where t.status = 'cancelled') as cancelled
    from jobs j left join job_tasks t on t.job_id = j.job_id and t.purpose = 'run'
    where j.status not in ('mirrored', 'deduplicated')
    group by j.job_id
), leased as (
    select t.*, t.status in ('claimed', 'processing') as is_leased,
        t.status in ('completed', 'failed', 'cancelled') as is_ended,
        -- The last 20 leases are kept.
        t.lease_token - (t.status in ('claimed', 'processing'))::integer <= 20 as has_all,
        e.leases, e.numbered, e.distinct_numbers, e.last_number, e.last_token, e.lost, e.terminal, e.terminal_as_task
    from job_tasks t
    join (
        select t.job_id, t.task_number, count(a.job_id) as leases, count(a.attempt) as numbered,
            count(distinct a.attempt) as distinct_numbers, coalesce(max(a.attempt), 0) as last_number,
            coalesce(max(a.lease_token), 0) as last_token,
            count(a.job_id) filter (where a.outcome = 'lease_lost') as lost,
            -- A replay undid the end before it.
            count(a.job_id) filter (where a.status_after <> 'pending'
                and a.lease_token > coalesce(t.replayed_lease_token, -1)) as terminal,
            count(a.job_id) filter (where a.status_after <> 'pending' and a.status_after = t.status
                and a.lease_token > coalesce(t.replayed_lease_token, -1)) as terminal_as_task
        from job_tasks t left join job_task_attempts a using (job_id, task_number)
        group by t.job_id, t.task_number
    ) as e using (job_id, task_number)
), checks (place, name, broken) as (values
    (1, 'each job''s task_count is the number of its tasks',
        array(select job_id from counted where task_count <> tasks)),
    (2, 'each job''s active_tasks is the number of its leased tasks',
        array(select job_id from counted where active_tasks <> active)),
    (3, 'each job''s unfinished_tasks is the number of its unfinished tasks',
        array(select job_id from counted where unfinished_tasks <> unfinished)),
    (4, 'each job''s failed_tasks and cancelled_tasks are the numbers of such tasks',
        array(select job_id from counted where failed_tasks <> failed or cancelled_tasks <> cancelled)),
    (5, 'each job''s status follows from its tasks',
        array(select job_id from counted where status <> case
            when unfinished > 0 and (active > 0 or unfinished < tasks) then 'processing'
            when unfinished > 0 then 'pending'
            when failed > 0 then 'failed'
            when cancelled > 0 or tasks = 0 and abandoned_at is not null then 'cancelled'
            else 'completed' end)),
    (6, 'a job has finished_at exactly if it has ended',
        array(select job_id from jobs where status <> 'mirrored'
            and (finished_at is not null) <> (status in ('completed', 'failed', 'cancelled', 'deduplicated')))),
    (7, 'only an abandoned job has no tasks and no content, and only what met a unique key has content alone',
        array(select job_id from jobs j
            where (j.content_hash is null or not exists (select from job_tasks t where t.job_id = j.job_id))
                and (j.abandoned_at is null or j.content_hash is not null or j.task_count <> 0)
                and (j.status <> 'deduplicated' or j.content_hash is null or j.task_count <> 0))),
    (8, 'each job''s bucket is that of its id',
        array(select job_id from jobs where bucket <> job_bucket(job_id))),
    (9, 'a task has a worker, an expiry and a claim exactly if it is leased',
        array(select job_id from leased where num_nulls(worker_id, lease_expires_at, claimed_at, claim_request)
            <> case when is_leased then 0 else 4 end)),
    (10, 'a task has finished_at exactly if it has ended',
        array(select job_id from leased where (finished_at is not null) <> is_ended)),
    (11, 'a task inside a handler has started_at, one that waits for it has not',
        array(select job_id from leased where status in ('blocked', 'pending', 'claimed', 'processing')
            and (started_at is not null) <> (status = 'processing'))),
    (12, 'a task has a position only while it is ready or leased, and none that was never drawn',
        array(select t.job_id from job_tasks t, job_task_position s
            where t.position is not null
                and (t.status not in ('pending', 'claimed', 'processing') or t.position > s.last_value))),
    (13, 'no two tasks have the same position',
        array(select (array_agg(job_id))[1] from job_tasks where position is not null
            group by position having count(*) > 1)),
    (14, 'an ended task has one terminal attempt, or was waiting until it was cancelled or its deadline passed',
        array(select job_id from leased where is_ended and (terminal <> terminal_as_task or terminal > 1
            or terminal = 0 and status <> 'cancelled'
                and (status, error ->> 'type') is distinct from ('failed', 'DeadlineExceeded')))),
    (15, 'an unfinished task has no terminal attempt',
        array(select job_id from leased where not is_ended and terminal > 0)),
    (16, 'no attempt is counted twice or left out',
        array(select job_id from leased
            where numbered <> distinct_numbers
                or has_all and (attempts <> numbered or attempts <> last_number) or attempts < last_number)),
    (17, 'no task has more attempts than it may',
        array(select job_id from leased where attempts > max_attempts)),
    (18, 'each lease but the present one has ended, and once',
        array(select job_id from leased where leases <> least(20, lease_token - is_leased::integer)
            or last_token > lease_token - is_leased::integer)),
    (19, 'each task''s lost_leases is the number of leases that it lost, or less after a replay',
        array(select job_id from leased where has_all
            and (lost_leases > lost or lost_leases < lost and replayed_lease_token is null))),
    (20, 'a task that waits or runs has a deadline that lay ahead when it began to, and is not parked',
        array(select job_id from leased where not is_ended and (parked or deadline_at < claimed_at))),
    (21, 'a job is mirrored exactly if legacy owns it, and then so are all its tasks of purpose run',
        array(select j.job_id from jobs j where (j.status = 'mirrored') <> (j.owner = 'legacy')
            union all
            select t.job_id from job_tasks t join jobs j using (job_id)
            where t.purpose = 'run' and (t.status = 'mirrored') <> (j.owner = 'legacy'))),
    (22, 'legacy is told of a job what fits its owner: its own are released or taken over, or were taken back',
        array(select job_id from jobs where mirror_state <> 'none' and case owner
            when 'legacy' then mirror_state not in ('release_due', 'released', 'takeover_due', 'taken_over')
                and (mirror_state not in ('end_due', 'settled') or owner_ended_at is null)
            else mirror_state not in ('due', 'written', 'end_due', 'settled') end)),
    (23, 'of a job that ended here legacy is told the end, of one that goes on it is not',
        array(select job_id from jobs where owner = 'supabase'
            and (finished_at is null and mirror_state in ('end_due', 'settled')
                or finished_at is not null and mirror_state in ('due', 'written')))),
    (24, 'what legacy is to publish was handed over, hence has an epoch, and has not ended',
        array(select job_id from jobs where mirror_state in ('release_due', 'released') and epoch = 0
            or mirror_state in ('release_due', 'takeover_due') and owner_ended_at is not null)),
    (25, 'only what legacy owns was started, or ended, there; and has an outcome exactly if it ended',
        array(select job_id from jobs where (owner_outcome is null) <> (owner_ended_at is null)
            or owner = 'supabase' and (owner_ended_at is not null or legacy_started_at is not null))),
    (26, 'what is held or waits here is Supabase''s',
        array(select j.job_id from jobs j where j.held and j.owner = 'legacy')),
    (27, 'no observation counts in a job: a shadow runs once, and only where a job has another task',
        array(select t.job_id from job_tasks t where t.purpose = 'shadow' and (t.task_number = 0 or t.attempts > 1))),
    (28, 'what met a unique key has the status deduplicated, says with whose, and has no tasks',
        array(select j.job_id from jobs j
            where (j.deduped_into is null) <> (j.status <> 'deduplicated') or (j.deduped_into is null) <> (j.deduped_as is null)
                or j.deduped_into is not null and exists (select from job_tasks t where t.job_id = j.job_id))),
    (29, 'a job that is unique until its end holds its key until then',
        array(select j.job_id from jobs j
            where j.unique_until = 'finished' and j.finished_at is null and j.status <> 'mirrored' and not exists (
                select from job_unique_keys k
                where k.task_type = j.task_type and k.unique_key = j.unique_key and k.job_id = j.job_id))),
    (30, 'a key that is no window is held by a job that has it and has not ended, and has not begun if that ends its hold',
        array(select k.job_id from job_unique_keys k left join jobs j on j.job_id = k.job_id
            where k.expires_at is null and (
                (k.task_type, k.unique_key) is distinct from (j.task_type, j.unique_key)
                or j.finished_at is not null or j.unique_until = 'window' or j.unique_until = 'started' and exists (
                    select from job_tasks t where t.job_id = j.job_id and t.status = 'processing')))),
    (31, 'a task is blocked exactly while it waits for others before it, or for its order key',
        array(select t.job_id from job_tasks t where t.status = 'blocked' and t.waits_for = 0 and t.order_key is null
            or t.status in ('pending', 'claimed', 'processing') and t.waits_for > 0)),
    (32, 'a blocked task waits for as many tasks as have not let it go on, and one of them has not ended',
        array(select t.job_id from job_tasks t join jobs j using (job_id)
            cross join lateral (
                select count(*) filter (where not (b.status = 'completed' or j.on_failure = 'continue' and (
                        b.status in ('failed', 'cancelled') or b.replayed_lease_token is not null))) as waiting,
                    count(*) filter (where b.status in ('blocked', 'pending', 'claimed', 'processing')) as unfinished
                from job_tasks b where b.job_id = t.job_id and b.task_number = any (t.runs_after)
            ) as e
            where t.status = 'blocked' and t.order_key is null and (t.waits_for <> e.waiting or e.unfinished = 0))),
    (33, 'who runs after whom is the same from both sides',
        array(select t.job_id from job_tasks t cross join lateral unnest(t.runs_after) as u (task_number)
            join job_tasks b on b.job_id = t.job_id and b.task_number = u.task_number
            where t.task_number <> all (coalesce(b.runs_before, '{}'))
            union all
            select t.job_id from job_tasks t cross join lateral unnest(t.runs_before) as u (task_number)
            join job_tasks b on b.job_id = t.job_id and b.task_number = u.task_number
            where t.task_number <> all (coalesce(b.runs_after, '{}')))),
    (34, 'a task has a name exactly if its job was made of several, and is skipped only if it was cancelled and the job lets none continue',
        array(select t.job_id from job_tasks t join jobs j using (job_id)
            where t.purpose = 'run' and (t.task_name is null) <> (j.on_failure is null)
                or t.skipped and (t.status <> 'cancelled' or j.on_failure not in ('fail', 'skip')))),
    (35, 'a leased task that a limit matches is counted under it',
        array(select t.job_id from job_tasks t
            where t.status in ('claimed', 'processing') and t.purpose = 'run' and not t.limited and exists (
                select from job_running_limits l
                where (l.queue is null or l.queue = t.queue) and (l.task_type is null or l.task_type = t.task_type)
                    and (not l.each_tenant or t.tenant <> ''))))
)
select case when broken = '{}' then 'PASS' else 'FAIL' end as verdict, name as "check", cardinality(broken) as broken,
    broken[1] as example_job_id
from checks order by place;
