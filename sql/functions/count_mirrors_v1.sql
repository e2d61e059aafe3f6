-- What a relay still owes legacy, by mirror state, with the age of the oldest; and how many jobs legacy owns and has not ended, or
-- has not told how.
create or replace function count_mirrors_v1(contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
as $$
begin
    perform supaqueue_check_call(contract_version);
    return jsonb_build_object(
        'owed', (
            select coalesce(jsonb_agg(jsonb_build_object('mirror_state', s.mirror_state, 'jobs', s.jobs,
                'oldest_seconds', extract(epoch from clock_timestamp() - s.oldest)) order by s.mirror_state), '[]')
            from (
                select j.mirror_state, count(*) as jobs, min(j.created_at) as oldest from jobs j
                where j.mirror_state in ('due', 'end_due', 'release_due', 'takeover_due') group by j.mirror_state
            ) as s),
        'legacy_open', (
            select count(*) from jobs j where j.owner = 'legacy' and j.owner_ended_at is null and j.abandoned_at is null),
        'held', (
            select count(*) from job_tasks t
            cross join lateral (select b.held from jobs b where b.job_id = t.job_id offset 0) as j
            where t.status = 'pending' and t.purpose = 'run' and j.held));
end $$;
