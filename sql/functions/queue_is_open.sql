-- Asked by every claim, in a statement after the claim's shared lock. Without a cutover every queue is open.
create or replace function queue_is_open(task_type text) returns boolean
language sql stable parallel safe
set search_path from current
return true;
