-- Stores these limits, the last one given of each, and removes those that limit nothing. A window that is open stays as it began.
create or replace function supaqueue_store_limits(limits jsonb, changed_by text) returns void
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    given record;
begin
    for given in
        select distinct on (g.queue, g.task_type, each_tenant) g.queue, g.task_type, coalesce(g.each_tenant, false) as each_tenant,
            g.running_limit, g.starts_limit, g.starts_seconds
        from rows from (
            jsonb_to_recordset(limits) as (queue text, task_type text, each_tenant boolean, running_limit integer,
                starts_limit integer, starts_seconds double precision)
        ) with ordinality as g (queue, task_type, each_tenant, running_limit, starts_limit, starts_seconds, n)
        order by g.queue, g.task_type, each_tenant, g.n desc
    loop
        if coalesce(given.running_limit, given.starts_limit) is null then
            delete from job_running_limits l
            where l.queue is not distinct from given.queue and l.task_type is not distinct from given.task_type
                and l.each_tenant = given.each_tenant;
        else
            insert into job_running_limits as l (queue, task_type, each_tenant, running_limit, starts_limit, starts_seconds, changed_by)
            values (given.queue, given.task_type, given.each_tenant, given.running_limit, given.starts_limit, given.starts_seconds,
                supaqueue_store_limits.changed_by)
            on conflict (queue, task_type, each_tenant) do update set running_limit = excluded.running_limit,
                starts_limit = excluded.starts_limit, starts_seconds = excluded.starts_seconds,
                changed_by = excluded.changed_by, updated_at = clock_timestamp();
        end if;
    end loop;
end $$;
