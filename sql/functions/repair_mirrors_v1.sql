-- Stores mirrors of legacy's jobs that a comparison found missing here, each with its end if it has one, and notes that they were
-- missing: in one transaction, so that nothing is brought without counting. `accepted_at` says when legacy accepted each. Repeatable:
-- per job `repaired`, now or before; `exists` (it came by itself meanwhile); or `conflict` (same id, other content, or abandoned).
create or replace function repair_mirrors_v1(
    jobs jsonb, accepted_at text[], outcomes jsonb, repaired_by text, contract_version integer
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
    answers jsonb;
    created uuid[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_new_jobs(jobs);
    perform supaqueue_check_outcomes(outcomes);
    perform supaqueue_check_mirror_repairs(jobs, repair_mirrors_v1.accepted_at, repair_mirrors_v1.repaired_by);
    answers := enqueue_jobs_v1(jobs, contract_version);
    created := array(
        select (e ->> 'job_id')::uuid from jsonb_array_elements(answers) as e where e ->> 'answer' = 'created');
    insert into job_repairs as r (job_id, task_type, class, accepted_at, repaired_by)
    select distinct on (g.job_id) g.job_id, g.task_type, 'missing_in_supabase', g.moment::timestamptz, repair_mirrors_v1.repaired_by
    from rows from (jsonb_to_recordset(jobs) as (job_id uuid, task_type text), unnest(repair_mirrors_v1.accepted_at))
        with ordinality as g (job_id, task_type, moment, n)
    where g.job_id = any (created) order by g.job_id, g.n
    on conflict (job_id) do update set repaired_at = excluded.repaired_at, repaired_by = excluded.repaired_by;
    -- Of what was here or came meanwhile the relay tells the end, as ever.
    perform record_outcomes_v1((
        select coalesce(jsonb_agg(e), '[]') from jsonb_array_elements(outcomes) as e where (e ->> 'job_id')::uuid = any (created)
    ), contract_version);
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when g.answer = 'conflict' or r.job_id is null then g.answer else 'repaired' end) order by g.n), '[]')
        from rows from (jsonb_to_recordset(answers) as (job_id uuid, answer text)) with ordinality as g (job_id, answer, n)
        left join lateral (select b.job_id from job_repairs b where b.job_id = g.job_id offset 0) as r on true
    );
end $$;
