-- Until when jobs of a type and minute have to end: so many seconds after the minute.
create or replace function supaqueue_settled_at(
    minute timestamptz, task_type text, settle_seconds double precision, settle_by_type jsonb
) returns timestamptz
language sql stable parallel safe
return minute + interval '1 s' * (60 + coalesce((settle_by_type ->> task_type)::double precision, settle_seconds));
