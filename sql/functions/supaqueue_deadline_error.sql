-- Why a task failed that ran out of time; what its last attempt ended with, if it had one, is part of the text.
create or replace function supaqueue_deadline_error(deadline_at timestamptz, last_error jsonb) returns jsonb
language sql stable
set search_path from current
return jsonb_build_object('type', 'DeadlineExceeded', 'message', left(concat_ws('; ',
    format('no attempt may begin after its deadline, %s',
        to_char(deadline_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
    case when last_error is not null
        then 'the last one ended with ' || concat_ws(': ', last_error ->> 'type', last_error ->> 'message') end), 2000));
