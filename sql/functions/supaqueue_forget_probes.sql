-- Removes probes older than a quarter of an hour, ended or not, up to 1,000; what a session holds just now goes with the next call.
create or replace function supaqueue_forget_probes() returns void
language plpgsql
set search_path from current
as $$
declare
    old uuid[];
    held uuid[];
begin
    select array_agg(p.job_id) into old from (
        select b.job_id from job_probes b where b.sent_at < now() - interval '15 minutes' limit 1000) as p;
    if old is not null then
        held := supaqueue_lock_unheld_jobs(old);
        perform supaqueue_delete_jobs(held);
        -- Also those whose job a pruning has removed.
        delete from job_probes p where p.job_id = any (old)
            and not exists (select from jobs j where j.job_id = p.job_id offset 0);
    end if;
end $$;
