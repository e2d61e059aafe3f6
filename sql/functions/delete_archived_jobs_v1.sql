-- Deletes jobs that stand in a file: each only if the line that an archive would keep of it now is the one in the file, told by
-- its sha256. So whatever happened to a job since it was read (replayed, abandoned, gone with another batch, held by some call
-- just now), it is `kept`, and its line has no place in the file. Repeatable by batch: the repeat is answered from
-- job_archives, which is written in the same transaction; its unique index makes repeat and original wait for each other.
create or replace function delete_archived_jobs_v1(batch jsonb, jobs jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    this_batch uuid;
    held uuid[];
    unchanged uuid[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_archived_jobs(batch, delete_archived_jobs_v1.jobs);
    this_batch := (batch ->> 'batch_id')::uuid;
    insert into job_archives (batch_id, file, jobs, sha256)
    values (this_batch, batch ->> 'file', (batch ->> 'jobs')::integer, batch ->> 'sha256') on conflict do nothing;
    if found then
        held := supaqueue_lock_unheld_jobs(
            array(select (e ->> 'job_id')::uuid from jsonb_array_elements(delete_archived_jobs_v1.jobs) as e));
        select coalesce(array_agg(g.job_id), '{}') into unchanged
        from jsonb_to_recordset(delete_archived_jobs_v1.jobs) as g (job_id uuid, sha256 text)
        where g.job_id = any (held)
            and g.sha256 = encode(sha256(convert_to(supaqueue_archive_line(g.job_id), 'UTF8')), 'hex');
        perform supaqueue_delete_jobs(unchanged);
        update job_archives a set removed = cardinality(unchanged), kept = array(
            select (e ->> 'job_id')::uuid from jsonb_array_elements(delete_archived_jobs_v1.jobs) as e
            where (e ->> 'job_id')::uuid <> all (unchanged))
        where a.batch_id = this_batch;
    end if;
    return (
        select jsonb_build_object('removed', a.removed, 'kept', to_jsonb(a.kept))
        from job_archives a where a.batch_id = this_batch
    );
end $$;
