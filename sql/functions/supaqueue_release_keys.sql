-- Releases the keys that these jobs hold, but for windows, which only time ends. The caller holds the jobs' locks.
create or replace function supaqueue_release_keys(job_ids uuid[]) returns void
language plpgsql
set search_path from current
as $$
begin
    if job_ids is null then
        return;
    end if;
    delete from job_unique_keys k using unnest(job_ids) as g (job_id)
    cross join lateral (
        select b.ctid as place from job_unique_keys b where b.job_id = g.job_id and b.expires_at is null offset 0
    ) as before
    where k.ctid = before.place;
end $$;
