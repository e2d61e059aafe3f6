create or replace function supaqueue_check_running_limits(request_id uuid, limits jsonb, changed_by text) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    refused record;
begin
    perform supaqueue_check_rows('limits[%s]', limits,
        '{"queue": "1 to 200 characters", "task_type": "1 to 200 characters", "each_tenant": "a boolean",
          "running_limit": "1 to 100000", "starts_limit": "1 to 1000000", "starts_seconds": "a number"}', '{}');
    if request_id is null then
        raise exception using errcode = 'SQ003', message = 'request_id: expected a UUID';
    elsif jsonb_array_length(limits) > 1000 then
        raise exception using errcode = 'SQ003', message = 'limits: expected at most 1000 in one call';
    elsif length(changed_by) > 200 then
        raise exception using errcode = 'SQ003', message = 'changed_by: expected at most 200 characters';
    end if;
    select g.n - 1 as place, p.problem into refused
    from rows from (
        jsonb_to_recordset(limits) as (queue text, task_type text, starts_limit integer, starts_seconds double precision)
    ) with ordinality as g (queue, task_type, starts_limit, starts_seconds, n)
    cross join lateral (
        select case
            when g.queue is null and g.task_type is null then 'queue: expected one, or a task_type, or both'
            when (g.starts_limit is null) <> (g.starts_seconds is null) or g.starts_seconds not between 0.1 and 2678400
                then 'starts_seconds: expected 0.1 to 2678400 together with starts_limit, null without' end as problem
    ) as p
    where p.problem is not null order by g.n limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('limits[%s].%s', refused.place, refused.problem);
    end if;
end $$;
