-- The last step of taking jobs over: `won` says that legacy can never start them; they become Supabase's under the next epoch, and
-- are pending; but where their type goes back to legacy by now, they go back at once. Else legacy had started them, and keeps them.
-- Repeatable: per job `opened`, `kept`, `changed`, or `unknown`.
create or replace function open_taken_over_jobs_v1(jobs jsonb, contract_version integer) returns jsonb
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
    opening uuid[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_rows('jobs[%s]', jobs, '{"job_id": "a UUID", "epoch": "0 to 2147483647", "won": "a boolean"}',
        array['job_id', 'epoch', 'won']);
    perform supaqueue_lock_jobs(array(
        select (e ->> 'job_id')::uuid from jsonb_array_elements(open_taken_over_jobs_v1.jobs) as e));
    opening := array(
        select g.job_id from jsonb_to_recordset(open_taken_over_jobs_v1.jobs) as g (job_id uuid, epoch integer, won boolean)
        cross join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j
        where g.won and j.owner = 'legacy' and j.epoch = g.epoch and j.mirror_state = 'takeover_due');
    perform supaqueue_open_jobs(opening);
    perform supaqueue_hand_back(opening);
    update jobs j set mirror_state = 'none'
    from jsonb_to_recordset(open_taken_over_jobs_v1.jobs) as g (job_id uuid, epoch integer, won boolean)
    cross join lateral (select b.ctid as place, b.epoch, b.mirror_state from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and not g.won and before.epoch = g.epoch and before.mirror_state = 'takeover_due';
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.job_id is null then 'unknown'
            when g.won and j.owner = 'supabase' and j.epoch = g.epoch + 1 then 'opened'
            when not g.won and j.owner = 'legacy' and j.epoch = g.epoch then 'kept'
            else 'changed' end) order by g.n), '[]')
        from rows from (jsonb_to_recordset(open_taken_over_jobs_v1.jobs) as (job_id uuid, epoch integer, won boolean))
            with ordinality as g (job_id, epoch, won, n)
        left join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j on true
    );
end $$;
