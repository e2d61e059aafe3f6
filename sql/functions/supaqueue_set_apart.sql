-- What waits in a line that is read in order, of a type with a limit, is set apart where the line finds it held back: it then waits as
-- one tenant more, whose types are each passed over by one look-up, and hides nothing. A thousand at a time. Answers how many went and
-- the jobs of those that others hold. What is enqueued while its type has a limit waits there from the start.
create or replace function supaqueue_set_apart(
    lines job_claim_line[], left_out job_claim_candidate[], limits job_running_limits[], top bigint,
    out moved integer, out held uuid[]
)
language plpgsql volatile
set search_path from current
as $$
declare
    most constant integer := 1000;
    line record;
    seen record;
    free_jobs uuid[];
    changed integer;
begin
    moved := 0;
    for line in
        select l.queue, l.priority, f.first, y.types
        from (select c.line, min(c.position) as first from unnest(left_out) as c where c.tenant is null group by c.line) as f
        cross join lateral (select (lines[f.line]).*) as l
        cross join lateral (
            select array_agg(b.task_type) as types from unnest(limits) as b
            where b.task_type is not null and not b.each_tenant and (b.queue is null or b.queue = l.queue)
        ) as y
        where y.types is not null
    loop
        select array_agg(w.job_id) as job_ids, array_agg(w.task_number) as task_numbers into seen
        from (
            select e.job_id, e.task_number
            from (
                select t.job_id, t.task_number, t.task_type, t.purpose from job_tasks t
                where t.status = 'pending' and t.position is not null and t.tenant is null
                    and (t.queue, t.priority, t.position) >= (line.queue, line.priority, line.first)
                    and (t.queue, t.priority, t.position) <= (line.queue, line.priority, top)
                order by t.queue, t.priority, t.position limit 10 * most
            ) as e
            where e.purpose = 'run' and e.task_type = any (line.types) limit most
        ) as w;
        free_jobs := coalesce(supaqueue_lock_free_jobs(seen.job_ids), '{}');
        update job_tasks t set tenant = ''
        from unnest(seen.job_ids, seen.task_numbers) as u (job_id, task_number)
        cross join lateral (
            select b.ctid as place, b.status, b.position, b.tenant from job_tasks b
            where b.job_id = u.job_id and b.task_number = u.task_number offset 0
        ) as before
        where t.ctid = before.place and u.job_id = any (free_jobs)
            and before.status = 'pending' and before.position is not null and before.tenant is null;
        get diagnostics changed = row_count;
        moved := moved + changed;
        held := held || array(select u from unnest(seen.job_ids) as u where u <> all (free_jobs));
    end loop;
end $$;
