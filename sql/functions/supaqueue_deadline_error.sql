-- Why a task failed that ran out of time; what its last attempt ended with is part of the text.
create or replace function supaqueue_deadline_error(deadline_at timestamptz, last_error jsonb) returns jsonb
language sql stable
set search_path from current
return jsonb_build_object('type', 'DeadlineExceeded', 'message', left(concat_ws('; ',
    format('no attempt may begin after its deadline, %s',
        to_char(deadline_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
    format('the last one ended with %s: %s', last_error ->> 'type', last_error ->> 'message')), 2000));
