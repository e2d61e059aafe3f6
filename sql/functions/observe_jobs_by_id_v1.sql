-- What this system knows of these jobs: as observe_jobs_v1, a row per job that is here, in no order that counts.
create or replace function observe_jobs_by_id_v1(job_ids uuid[], contract_version integer) returns json
language plpgsql stable security definer
set search_path from current
as $$
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_job_ids(job_ids);
    return supaqueue_observe(array(select distinct b.job_id from unnest(job_ids) as b (job_id)), null);
end $$;
