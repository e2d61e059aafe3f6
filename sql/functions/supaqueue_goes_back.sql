-- What of a task type goes back to legacy: `none`, `not_started` or `all`.
create or replace function supaqueue_goes_back(task_type text) returns text
language sql stable
set search_path from current
return (
    select coalesce(
        (select t.hand_back from feature_flag t where t.flag_name = 'supabase_queue:' || supaqueue_goes_back.task_type), o.hand_back)
    from feature_flag o where o.flag_name = 'supabase_queue');
