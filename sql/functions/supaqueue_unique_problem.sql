-- What is wrong with how a job is to be unique; null if nothing.
create or replace function supaqueue_unique_problem(options jsonb) returns text
language sql immutable
set search_path from current
return case
    when options ->> 'unique_key' is null then case
        when options ->> 'unique_until' is not null then 'unique_until: expected none without unique_key'
        when options ->> 'unique_seconds' is not null then 'unique_seconds: expected none without unique_key'
        when options ->> 'unique_conflict' is not null then 'unique_conflict: expected none without unique_key' end
    when options ->> 'owner' = 'legacy' then 'unique_key: expected none for a job that legacy owns'
    when (options ->> 'unique_until' is null) = (options ->> 'unique_seconds' is null)
        then 'unique_until: expected either it or unique_seconds together with unique_key'
    when options ->> 'unique_until' not in ('started', 'finished') then 'unique_until: expected started or finished'
    when (options ->> 'unique_seconds')::numeric not between 0.001 and 2592000
        then 'unique_seconds: expected 0.001 to 2592000'
    when options ->> 'unique_conflict' in ('reject', 'replace', 'push_back') is not true
        then 'unique_conflict: expected reject, replace or push_back together with unique_key' end;
