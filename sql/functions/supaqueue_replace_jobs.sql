-- Lets the last of the jobs that met a key change the one that holds it: that one gets its payload, options and tags, and begins its
-- attempts anew; its place and time too if it is to be pushed back. Each was stored with a task of its own, which goes. The caller
-- holds the locks of those that are changed.
create or replace function supaqueue_replace_jobs(new_jobs jsonb, created uuid[], at_once timestamptz) returns void
language plpgsql
set search_path from current
as $$
declare
    changing uuid[];
begin
    with asked as materialized (
        select g.* from rows from (
            jsonb_to_recordset(new_jobs) as (job_id uuid, deduped_into uuid, deduped_as text, deadline_at timestamptz)
        ) with ordinality as g (job_id, deduped_into, deduped_as, deadline_at, n)
        where g.deduped_as in ('replaced', 'pushed_back') and g.job_id = any (created)
    ), last as (
        select distinct on (a.deduped_into) a.deduped_into as job_id, a.job_id as source, a.deadline_at is null as deadline_moves, (
            select b.job_id from asked b where b.deduped_into = a.deduped_into and b.deduped_as = 'pushed_back' order by b.n desc limit 1
        ) as timer
        from asked a order by a.deduped_into, a.n desc
    ), changed as (
        update job_tasks t
        set payload = s.payload, retry_delay = s.retry_delay, retry_factor = s.retry_factor, retry_max_delay = s.retry_max_delay,
            retry_jitter = s.retry_jitter, timeout = s.timeout, max_attempts = t.attempts + s.max_attempts,
            attempts_before_replay = t.attempts, checkpoint = null, progress_percent = null, progress_message = null,
            run_at = coalesce(m.run_at, t.run_at),
            priority = s.priority,
            -- In another line it needs a new place: claims may have settled that their marks are past the old one.
            position = case
                when t.status = 'blocked' or m.run_at > at_once or m.job_id is null and t.position is null then null
                when s.priority = t.priority and t.position is not null then t.position
                else coalesce(m.position, s.position, nextval('job_task_position')) end,
            deadline_at = case when l.deadline_moves
                then greatest(coalesce(m.run_at, t.run_at), s.run_at) + (s.deadline_at - s.run_at) else s.deadline_at end
        from last l
        cross join lateral (select * from job_tasks b where b.job_id = l.source and b.task_number = 0 offset 0) as s
        left join lateral (select * from job_tasks b where b.job_id = l.timer and b.task_number = 0 offset 0) as m on true
        cross join lateral (
            select b.ctid as place, b.status from job_tasks b where b.job_id = l.job_id and b.task_number = 0 offset 0
        ) as before
        where t.ctid = before.place and before.status in ('pending', 'blocked')
    ), tagged as (
        update jobs j set tags = s.tags
        from last l
        cross join lateral (select b.tags from jobs b where b.job_id = l.source offset 0) as s
        cross join lateral (select b.ctid as place, b.tags from jobs b where b.job_id = l.job_id offset 0) as before
        where j.ctid = before.place and before.tags <> s.tags
    )
    select array_agg(a.job_id) into changing from asked a;
    delete from job_tasks t using unnest(changing) as g (job_id)
    cross join lateral (select b.ctid as place from job_tasks b where b.job_id = g.job_id offset 0) as before
    where t.ctid = before.place;
end $$;
