-- Reads jobs by id, one answer per id in the order asked, null where there is none. One that met a unique key is read as the job that
-- held it.
create or replace function get_jobs_v1(
    job_ids uuid[], with_payload boolean, with_attempts boolean, contract_version integer
) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_job_ids(job_ids);
    return (
        select coalesce(jsonb_agg(case when (found.job).content_hash is not null
            then supaqueue_job(case when (found.job).deduped_into is null then found.job
                else (select j from jobs j where j.job_id = (found.job).deduped_into and j.content_hash is not null) end,
                with_payload, with_attempts) end order by g.n), '[]')
        from unnest(job_ids) with ordinality as g (job_id, n)
        left join lateral (select j as job from jobs j where j.job_id = g.job_id offset 0) as found on true
    );
end $$;
