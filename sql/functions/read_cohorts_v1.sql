-- Cohorts of minutes from `since` on and before `until`, oldest first, by page: each an array in the order of `columns`. Minutes are
-- counted from 1970; a side is jobs, keys, known, failed, failed_keys; final ones are null until they are counted. `next_page` is
-- null at the end.
create or replace function read_cohorts_v1(since text, until text, page text, page_size integer, contract_version integer) returns json
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    after_minute timestamptz;
    after_type text;
    upto timestamptz;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_cohort_list(since, until, page, page_size);
    upto := until::timestamptz;
    after_minute := coalesce(split_part(page, ' ', 1), since)::timestamptz;
    after_type := coalesce(substr(page, strpos(page, ' ') + 1), '');
    return (
        select json_build_object(
            'columns', json_build_array('minute', 'task_type', 'first_canary', 'first_control', 'final_canary', 'final_control'),
            'rows', coalesce(json_agg(json_build_array((extract(epoch from c.minute) / 60)::bigint, c.task_type,
                -- A row's text is that of an array, but for its brackets.
                translate(c.first_canary::text, '()', '[]')::json, translate(c.first_control::text, '()', '[]')::json,
                translate(c.final_canary::text, '()', '[]')::json, translate(c.final_control::text, '()', '[]')::json) order by c.n), '[]'),
            'next_page', case when count(*) = page_size then (array_agg(supaqueue_utc_text(c.minute) || ' ' || c.task_type
                order by c.n desc))[1] end)
        from (
            select b.*, row_number() over (order by b.minute, b.task_type) as n
            from (
                select * from job_cohorts o
                where (o.minute, o.task_type) > (after_minute, after_type) and o.minute < upto
                order by o.minute, o.task_type limit page_size
            ) as b
        ) as c
    );
end $$;
