-- What is wrong with how a job is to be ordered; null if nothing. One that replaces another would bring its key to the other's place.
create or replace function supaqueue_order_problem(options jsonb) returns text
language sql immutable
set search_path from current
return case
    when options ->> 'order_key' is null then case
        when options ->> 'order_on_failure' is not null then 'order_on_failure: expected none without order_key' end
    when options ->> 'owner' = 'legacy' then 'order_key: expected none for a job that legacy owns'
    when options ->> 'order_on_failure' not in ('block', 'continue') then 'order_on_failure: expected block or continue'
    when options ->> 'unique_conflict' in ('replace', 'push_back')
        then 'order_key: expected none together with unique_conflict replace or push_back' end;
