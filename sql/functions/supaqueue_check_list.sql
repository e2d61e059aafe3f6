create or replace function supaqueue_check_list(filter jsonb, page text, page_size integer) returns void
language plpgsql stable
set search_path from current
as $$
declare
    moment text;
    expected text;
begin
    perform supaqueue_check_rows('filter', jsonb_build_array(filter),
        '{"queue": "1 to 200 characters", "task_type": "1 to 200 characters", "status": "1 to 200 characters",
          "tag": "1 to 200 characters", "created_after": "a string", "created_before": "a string"}', '{}');
    foreach moment in array array['created_after', 'created_before'] loop
        if not supaqueue_is_moment(filter ->> moment) then
            expected := format('filter.%s: expected a moment, like 2030-01-31T12:00:00Z', moment);
        end if;
    end loop;
    if page_size between 1 and 1000 is not true then
        expected := 'page_size: expected 1 to 1000';
    elsif page !~ '^[^ ]+ [0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' or not supaqueue_is_moment(split_part(page, ' ', 1)) then
        expected := 'page: expected next_page of the last answer, or null';
    elsif filter ->> 'status' not in ('pending', 'processing', 'completed', 'failed', 'cancelled', 'mirrored') then
        expected := 'filter.status: expected pending, processing, completed, failed, cancelled or mirrored';
    end if;
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
