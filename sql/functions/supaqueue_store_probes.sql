-- Stores a probe for each of these queues whose last one is not of this minute. The caller holds the senders' lock and has its
-- transaction number. There is nothing to run in such a job, so it has ended from the start: only its task says more.
create or replace function supaqueue_store_probes(queues text[]) returns void
language plpgsql
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
begin
    with due as (
        select q.queue, supaqueue_tick_job_id('supaqueue.probe:' || q.queue, at_once) as job_id
        from (select distinct u.queue from unnest(queues) as u (queue)) as q
        where not exists (
            -- A little less than a minute: who asks every 60 seconds may be a moment early.
            select from job_probes p where p.queue = q.queue and p.sent_at > at_once - interval '55 seconds')
    ), stored as (
        insert into jobs (job_id, queue, task_type, bucket, content_hash, status, task_count, unfinished_tasks, created_at, finished_at)
        select d.job_id, d.queue, 'supaqueue.probe', job_bucket(d.job_id), sha256(convert_to(d.job_id::text, 'UTF8')), 'completed',
            0, 0, at_once, at_once
        from due d order by d.job_id
    ), tasks as (
        insert into job_tasks (job_id, queue, task_type, purpose, payload, run_at, position)
        select d.job_id, d.queue, 'supaqueue.probe', 'probe', 'null', at_once, nextval('job_task_position') from due d
    )
    insert into job_probes (queue, sent_at, job_id, found)
    select d.queue, at_once, d.job_id, supaqueue_look_at_queue(d.queue) from due d;
end $$;
