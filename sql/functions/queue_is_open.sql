-- Asked by every claim, in a statement after the claim's shared lock: are tasks of this type handed out? The overall flag off wins
-- over a type's own.
create or replace function queue_is_open(task_type text) returns boolean
language sql stable parallel safe
set search_path from current
return coalesce((
    select o.is_enabled and coalesce(
        (select t.is_enabled from feature_flag t where t.flag_name = 'supabase_queue:' || queue_is_open.task_type), true)
    from feature_flag o where o.flag_name = 'supabase_queue'), false);
