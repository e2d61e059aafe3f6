-- What is wrong with a report of progress; null if nothing. `number` orders the reports under one lease.
create or replace function supaqueue_progress_problem(progress jsonb) returns text
language sql immutable
set search_path from current
return case
    when progress is null or progress = 'null' then null
    when jsonb_typeof(progress) <> 'object' then 'progress: expected an object'
    when exists (select from jsonb_object_keys(progress) as key where key not in ('number', 'percent', 'message', 'checkpoint'))
        then 'progress: expected number, percent, message and checkpoint, and nothing else'
    when jsonb_typeof(progress -> 'number') is distinct from 'number' or progress ->> 'number' !~ '^[0-9]+$'
        or (progress ->> 'number')::numeric not between 1 and 9007199254740991
        then 'progress.number: expected 1 to 9007199254740991'
    when coalesce(progress -> 'percent', 'null') <> 'null' and (jsonb_typeof(progress -> 'percent') <> 'number'
        or (progress ->> 'percent')::numeric not between 0 and 100) then 'progress.percent: expected 0 to 100'
    when coalesce(progress -> 'message', 'null') <> 'null' and (jsonb_typeof(progress -> 'message') <> 'string'
        or length(progress ->> 'message') > 1000) then 'progress.message: expected at most 1000 characters'
    when octet_length((progress -> 'checkpoint')::text) > 262144 then 'progress.checkpoint: expected at most 262144 bytes' end;
