-- A schedule's job is held to what an enqueue is held to, at its declaration: a tick must not be refused.
create or replace function supaqueue_check_schedule_jobs(schedules jsonb) returns void
language plpgsql stable
set search_path from current
as $$
declare
    refused record;
    said text;
    known text;
    step text;
begin
    select n - 1 as place, key into refused
    from jsonb_array_elements(schedules) with ordinality as e (element, n), jsonb_each(element -> 'job') as f
    where key in ('job_id', 'run_at', 'delay_seconds', 'deadline_at') and value <> 'null' limit 1;
    if found then
        raise exception using errcode = 'SQ003',
            message = format('schedules[%s].job.%s: expected none: each tick has its own', refused.place, refused.key);
    end if;
    perform supaqueue_check_new_jobs((
        select coalesce(jsonb_agg(element -> 'job' || '{"job_id": "00000000-0000-7000-8000-000000000000"}' order by n), '[]')
        from jsonb_array_elements(schedules) with ordinality as e (element, n)));
exception when sqlstate 'SQ002' or sqlstate 'SQ003' then
    get stacked diagnostics said = message_text, known = pg_exception_detail, step = pg_exception_hint;
    raise exception using errcode = sqlstate, message = regexp_replace(said, '^jobs(\[\d+\])', 'schedules\1.job'),
        detail = known, hint = step;
end $$;
