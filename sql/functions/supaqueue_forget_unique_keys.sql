-- Forgets, a few at a time, windows that are over. By now(): what is volatile bounds no index scan.
create or replace function supaqueue_forget_unique_keys() returns void
language plpgsql
set search_path from current
as $$
begin
    delete from job_unique_keys k where (k.task_type, k.unique_key) in (
        select o.task_type, o.unique_key from job_unique_keys o where o.expires_at < now()
        order by o.expires_at limit 1000 for update skip locked);
end $$;
