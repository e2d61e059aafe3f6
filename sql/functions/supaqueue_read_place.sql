-- The place that an answer called next; the beginning of a look where it names no more than that.
create or replace function supaqueue_read_place(given jsonb) returns job_hand_back_places
language sql stable
set search_path from current
return row(given ->> 'look', coalesce(given ->> 'queue', ''), coalesce((given ->> 'moment')::timestamptz, '-infinity'),
    coalesce((given ->> 'position')::bigint, 0),
    coalesce((given ->> 'job_id')::uuid, '00000000-0000-0000-0000-000000000000'), null)::job_hand_back_places;
