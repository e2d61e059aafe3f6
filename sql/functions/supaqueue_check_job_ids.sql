create or replace function supaqueue_check_job_ids(job_ids uuid[]) returns void
language plpgsql immutable
set search_path from current
as $$
begin
    if job_ids is null or cardinality(job_ids) > 10000 then
        raise exception using errcode = 'SQ003', message = 'job_ids: expected at most 10000 in one call';
    end if;
    if exists (select from unnest(job_ids) as job_id where job_id is null or job_bucket(job_id) > 9999) then
        raise exception using
            errcode = 'SQ003', message = 'job_ids: expected UUIDs whose last 14 bits are a bucket, 0 to 9999';
    end if;
end $$;
