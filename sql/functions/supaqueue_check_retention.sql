create or replace function supaqueue_check_retention(policy jsonb, page text, max_jobs integer) returns void
language plpgsql stable
set search_path from current
as $$
declare
    age text;
    expected text;
begin
    perform supaqueue_check_rows('policy', jsonb_build_array(policy),
        '{"completed_seconds": "a number", "failed_seconds": "a number", "cancelled_seconds": "a number",
          "tombstone_seconds": "a number", "probe_seconds": "a number", "queue": "1 to 200 characters",
          "task_type": "1 to 200 characters"}', '{}');
    foreach age in array array['completed_seconds', 'failed_seconds', 'cancelled_seconds', 'probe_seconds'] loop
        if (policy ->> age)::numeric not between 0 and 3155760000 then
            expected := format('policy.%s: expected 0 to 3155760000', age);
        end if;
    end loop;
    if (policy ->> 'tombstone_seconds')::numeric not between 604800 and 3155760000 then
        expected := 'policy.tombstone_seconds: expected 604800 (7 days) to 3155760000';
    elsif policy ->> 'tombstone_seconds' is not null
        and (policy ->> 'queue' is not null or policy ->> 'task_type' is not null) then
        expected := 'policy.tombstone_seconds: expected none beside a queue or task_type, a tombstone has neither';
    elsif max_jobs between 1 and 10000 is not true then
        expected := 'max_jobs: expected 1 to 10000';
    elsif page !~ ' [0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' or not supaqueue_is_moment(split_part(page, ' ', 1)) then
        expected := 'page: expected next_page of the last answer, or null';
    end if;
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
