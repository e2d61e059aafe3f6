-- Makes jobs legacy's: from here on their rows are mirrors, and hold no unique keys. The caller holds their locks, and none of their tasks is leased.
create or replace function supaqueue_hand_over(job_ids uuid[]) returns void
language plpgsql
set search_path from current
as $$
begin
    perform supaqueue_release_keys(job_ids);
    update job_tasks t set status = 'mirrored', position = null
    from unnest(job_ids) as g (job_id)
    cross join lateral (
        select b.ctid as place, b.status, b.purpose from job_tasks b where b.job_id = g.job_id offset 0
    ) as before
    where t.ctid = before.place and before.status in ('pending', 'blocked') and before.purpose = 'run';
    update jobs j set owner = 'legacy', epoch = j.epoch + 1, status = 'mirrored', mirror_state = 'release_due', held = false,
        legacy_started_at = null, legacy_first_failed_at = null, owner_outcome = null, owner_ended_at = null, unique_key = null, unique_until = null
    from unnest(job_ids) as g (job_id)
    cross join lateral (select b.ctid as place from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place;
end $$;
