-- Makes mirrored jobs Supabase's: the opposite of supaqueue_hand_over. The caller holds their locks, so the transaction has its
-- number before it draws a position or looks at the clock.
create or replace function supaqueue_open_jobs(job_ids uuid[]) returns void
language plpgsql
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
begin
    update job_tasks t set status = case when t.order_key is null then 'pending' else 'blocked' end,
        position = case when before.run_at <= at_once and t.order_key is null then nextval('job_task_position') end
    from unnest(job_ids) as g (job_id)
    cross join lateral (
        select b.ctid as place, b.status, b.run_at from job_tasks b where b.job_id = g.job_id offset 0
    ) as before
    where t.ctid = before.place and before.status = 'mirrored';
    -- Legacy's index knows the job: it is told the end.
    update jobs j set owner = 'supabase', epoch = j.epoch + 1, status = 'pending', mirror_state = 'written'
    from unnest(job_ids) as g (job_id)
    cross join lateral (select b.ctid as place from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place;
end $$;
