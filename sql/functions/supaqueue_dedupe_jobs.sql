-- Takes the keys of new jobs (supaqueue_take_keys). Those that met a key which another job holds come back with whose
-- (`deduped_into`) and what becomes of them (`deduped_as`); `takers` are those that hold one now. During a cutover there is no new
-- holder: legacy knows no keys.
create or replace function supaqueue_dedupe_jobs(new_jobs jsonb, at_once timestamptz, out jobs jsonb, out takers uuid[])
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    asked constant jsonb := supaqueue_asked_keys(new_jobs);
    keys jsonb;
begin
    jobs := new_jobs;
    if asked is null then
        return;
    end if;
    perform supaqueue_check_complete_types('unique_key', array(
        select distinct a.task_type from jsonb_to_recordset(asked) as a (task_type text)));
    keys := supaqueue_take_keys(asked, at_once);
    takers := array(select k.holder from jsonb_to_recordset(keys) as k (holder uuid, new boolean) where k.new);
    jobs := (
        select jsonb_agg(e.element || case
            when k.holder <> (e.element ->> 'job_id')::uuid then jsonb_build_object('deduped_into', k.holder, 'deduped_as', case
                when k.waits is not true or e.element ->> 'unique_conflict' = 'reject' then 'deduplicated'
                when e.element ->> 'unique_conflict' = 'replace' then 'replaced'
                else 'pushed_back' end)
            else '{}' end order by e.n)
        from jsonb_array_elements(new_jobs) with ordinality as e (element, n)
        left join (
            -- What came before the one that took the key over met the one before it.
            select u.job_id::uuid as job_id, case when m.met_before then k.before else k.holder end as holder,
                k.waits and not m.met_before as waits
            from jsonb_to_recordset(keys) as k (job_ids jsonb, holder uuid, waits boolean, before uuid)
            cross join lateral jsonb_array_elements_text(k.job_ids) with ordinality as u (job_id, n)
            cross join lateral (
                select k.before is not null and u.n <= (
                    select b.n - 1 from jsonb_array_elements_text(k.job_ids) with ordinality as b (job_id, n)
                    where b.job_id::uuid = k.holder) as met_before
            ) as m
        ) as k on k.job_id = (e.element ->> 'job_id')::uuid
    );
end $$;

-- What it called before order keys.
drop function if exists supaqueue_check_unique_types(text[]);
