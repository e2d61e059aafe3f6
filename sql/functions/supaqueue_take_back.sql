-- Ends jobs that were handed over and that legacy has not started: under the next epoch no message of them runs, so this side
-- decides, whether they are published or not. The caller holds the jobs' locks.
create or replace function supaqueue_take_back(job_ids uuid[]) returns void
language plpgsql
set search_path from current
as $$
begin
    update jobs j set epoch = j.epoch + 1, mirror_state = 'end_due', owner_outcome = '{"status": "cancelled"}',
        owner_ended_at = clock_timestamp(), cancel_requested_at = coalesce(j.cancel_requested_at, clock_timestamp())
    from unnest(job_ids) as g (job_id)
    cross join lateral (select b.ctid as place, b.* from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.owner = 'legacy' and before.epoch > 0 and before.legacy_started_at is null
        and before.owner_ended_at is null and before.mirror_state in ('release_due', 'released');
end $$;
