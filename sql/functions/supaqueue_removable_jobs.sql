-- Those of the given jobs that the policy lets go, in the order given. A mirrored job goes by how and when its owner ended it. A job
-- with a task that is not ended, or that blocks its order key, is never among them: a shadow run may outlast the job, but not one that never began; nor is one of
-- which legacy is still to be told. `kind` says by which age: that of its status, or `tombstone` (also what met a unique key), or `probe` (no task of it has the
-- purpose run). `row_count` counts its children too.
create or replace function supaqueue_removable_jobs(job_ids uuid[], r job_retention)
returns table (job_id uuid, kind text, day date, row_count bigint, created_at timestamptz)
language sql stable
set search_path from current
as $$
    select j.job_id, k.kind, (e.ended_at at time zone 'UTC')::date, 1 + t.tasks + a.attempts,
        j.created_at
    from unnest(job_ids) with ordinality as g (job_id, n)
    cross join lateral (select * from jobs j where j.job_id = g.job_id offset 0) as j
    cross join lateral (
        select count(*) as tasks, count(*) filter (where t.purpose = 'run') as to_run, max(t.finished_at) as finished_at,
            count(*) filter (where t.status in ('claimed', 'processing')
                or t.status in ('blocked', 'pending') and t.purpose <> 'shadow' or t.status = 'failed' and t.blocks_key) as open
        from job_tasks t where t.job_id = g.job_id offset 0
    ) as t
    cross join lateral (select count(*) as attempts from job_task_attempts a where a.job_id = g.job_id offset 0) as a
    cross join lateral (
        select case when j.status <> 'mirrored' then j.finished_at else j.owner_ended_at end as ended_at,
            case when j.status <> 'mirrored' then j.status else j.owner_outcome ->> 'status' end as status
    ) as e
    cross join lateral (
        select case when t.tasks = 0 and (j.abandoned_at is not null or j.deduped_into is not null) then 'tombstone'
            when t.tasks > 0 and t.to_run = 0 then 'probe' else e.status end as kind
    ) as k
    where e.status in ('completed', 'failed', 'cancelled', 'deduplicated') and (j.owner = 'supabase' or j.status = 'mirrored') and t.open = 0
        and j.mirror_state not in ('due', 'end_due', 'release_due', 'takeover_due')
        and greatest(e.ended_at, t.finished_at) < case k.kind
            when 'completed' then (r).completed_before when 'failed' then (r).failed_before
            when 'cancelled' then (r).cancelled_before when 'tombstone' then (r).tombstone_before
            when 'probe' then (r).probe_before end
        and (j.abandoned_at is null or j.abandoned_at < (r).abandoned_before)
        and ((r).queue is null or j.queue = (r).queue) and ((r).task_type is null or j.task_type = (r).task_type)
    order by g.n
$$;
