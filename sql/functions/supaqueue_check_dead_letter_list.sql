create or replace function supaqueue_check_dead_letter_list(filter jsonb, page text, page_size integer) returns void
language plpgsql stable
set search_path from current
as $$
declare
    moment text;
    expected text;
begin
    perform supaqueue_check_rows('filter', jsonb_build_array(filter),
        '{"job_id": "a UUID", "queue": "1 to 200 characters", "task_type": "1 to 200 characters", "error_type": "1 to 200 characters",
          "parked": "a boolean", "failed_after": "a string", "failed_before": "a string"}', '{}');
    foreach moment in array array['failed_after', 'failed_before'] loop
        if not supaqueue_is_moment(filter ->> moment) then
            expected := format('filter.%s: expected a moment, like 2030-01-31T12:00:00Z', moment);
        end if;
    end loop;
    if page_size between 1 and 1000 is not true then
        expected := 'page_size: expected 1 to 1000';
    elsif page !~ '^[^ ]+ [0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12} [0-9]{1,5}$'
        or not supaqueue_is_moment(split_part(page, ' ', 1)) or split_part(page, ' ', 3)::integer > 32767 then
        expected := 'page: expected next_page of the last answer, or null';
    end if;
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
