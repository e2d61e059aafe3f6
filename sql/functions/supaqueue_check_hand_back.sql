-- Refuses a place that no answer named, and a batch that could take too long.
create or replace function supaqueue_check_hand_back(after jsonb, want integer) returns void
language plpgsql stable
set search_path from current
as $$
begin
    if want is null or want not between 1 and 5000 then
        raise exception using errcode = 'SQ003', message = 'want: expected 1 to 5000';
    end if;
    if after is not null and not (jsonb_typeof(after) = 'object'
        and coalesce(after ->> 'look' in ('due', 'ready', 'release_due'), false)
        and coalesce(after ->> 'found' ~ '^[0-9]{1,9}$', false) and coalesce(after ->> 'xmin' ~ '^[0-9]{1,19}$', false)
        and coalesce(after ->> 'position' ~ '^[0-9]{1,18}$', true)
        and (coalesce(after ->> 'moment', '-infinity') = '-infinity' or supaqueue_is_moment(after ->> 'moment'))
        and coalesce(after ->> 'job_id' ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$', true)) then
        raise exception using errcode = 'SQ003', message = 'after: expected what the last answer called next';
    end if;
end $$;
