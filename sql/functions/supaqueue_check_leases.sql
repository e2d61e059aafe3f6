-- Refuses whatever is no array of leases: (job_id, task_number, lease_token).
create or replace function supaqueue_check_leases(argument text, leases jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
begin
    perform supaqueue_check_rows(argument || '[%s]', leases,
        '{"job_id": "a UUID", "task_number": "0 to 32767", "lease_token": "0 to 9007199254740991"}',
        array['job_id', 'task_number', 'lease_token']);
end $$;
