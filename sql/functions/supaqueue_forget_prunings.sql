-- Forgets, a few at a time, prunings so old that no repeat of them can come. By now(): what is volatile bounds no index scan.
create or replace function supaqueue_forget_prunings() returns void
language plpgsql
set search_path from current
as $$
begin
    delete from job_prunings p where p.request_id in (
        select o.request_id from job_prunings o where o.pruned_at < now() - interval '2 hours'
        order by o.pruned_at limit 10 for update skip locked);
end $$;
