-- Refuses order keys where supaqueue_check_complete_types does. What is stored already is a repeat.
create or replace function supaqueue_check_ordered_types(new_jobs jsonb) returns void
language plpgsql stable
set search_path from current
as $$
begin
    perform supaqueue_check_complete_types('order_key', array(
        select distinct g.task_type from jsonb_to_recordset(new_jobs) as g (job_id uuid, task_type text, order_key text)
        where g.order_key is not null and not exists (select from jobs j where j.job_id = g.job_id offset 0)));
end $$;
