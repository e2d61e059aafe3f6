-- Whether legacy is to know of jobs of this type that Supabase owns: as long as its cutover lasts.
create or replace function supaqueue_keeps_copies(task_type text) returns boolean
language sql stable
set search_path from current
return (
    select coalesce(
        (select t.stage from feature_flag t where t.flag_name = 'supabase_queue:' || supaqueue_keeps_copies.task_type), o.stage)
        <> 'complete'
    from feature_flag o where o.flag_name = 'supabase_queue');
