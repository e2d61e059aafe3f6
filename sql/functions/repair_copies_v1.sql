-- Has a relay tell legacy again of Supabase's jobs of which a comparison found no copy there, and notes that they were missing, in
-- one transaction. `seen_at` is a time of this database's from before legacy was asked: what was repaired since then is not repaired
-- again, however late the call or its repeat comes. With `dry_run` it says what it would do. Per job `repaired`, now or since then;
-- `due` (a relay still has to tell legacy); `not_needed` (its type's cutover is over); `kept` (legacy owns it or gave it away: a
-- relay would let it run); or `unknown`.
create or replace function repair_copies_v1(
    job_ids uuid[], seen_at text, dry_run boolean, repaired_by text, contract_version integer
) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    seen timestamptz;
    lost uuid[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_job_ids(repair_copies_v1.job_ids);
    perform supaqueue_check_copy_repairs(seen_at, dry_run, repair_copies_v1.repaired_by);
    seen := seen_at::timestamptz;
    if not dry_run then
        perform supaqueue_lock_jobs(repair_copies_v1.job_ids);
    end if;
    lost := array(
        select distinct g.job_id from unnest(repair_copies_v1.job_ids) as g (job_id)
        cross join lateral (select b.owner, b.mirror_state, b.task_type from jobs b where b.job_id = g.job_id offset 0) as j
        left join lateral (select b.repaired_at from job_repairs b where b.job_id = g.job_id offset 0) as r on true
        where j.owner = 'supabase' and j.mirror_state in ('written', 'settled') and supaqueue_keeps_copies(j.task_type)
            and (r.repaired_at is null or r.repaired_at < seen));
    if not dry_run then
        perform supaqueue_send_again(lost, repair_copies_v1.repaired_by);
    end if;
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.job_id is null then 'unknown'
            when g.job_id = any (lost) or r.repaired_at >= seen then 'repaired'
            when j.mirror_state in ('due', 'end_due', 'release_due', 'takeover_due') then 'due'
            when j.owner = 'supabase' and j.mirror_state in ('written', 'settled') then 'not_needed'
            else 'kept' end) order by g.n), '[]')
        from unnest(repair_copies_v1.job_ids) with ordinality as g (job_id, n)
        left join lateral (select b.job_id, b.owner, b.mirror_state from jobs b where b.job_id = g.job_id offset 0) as j on true
        left join lateral (select b.repaired_at from job_repairs b where b.job_id = g.job_id offset 0) as r on true
    );
end $$;
