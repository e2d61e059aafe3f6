-- Stores the tasks of those of these jobs that have several and were stored just now: supaqueue_store_jobs stored the others'. What met
-- a unique key has none.
create or replace function supaqueue_store_graphs(new_jobs jsonb, created uuid[], at_once timestamptz) returns void
language plpgsql
set search_path from current
as $$
declare
    given record;
begin
    for given in
        select j.job, g.element
        from (
            select distinct on (c.job_id) c.job_id, e.element, e.n
            from jsonb_array_elements(new_jobs) with ordinality as e (element, n)
            join unnest(created) as c (job_id) on c.job_id = (e.element ->> 'job_id')::uuid
            where e.element ->> 'tasks' is not null
            order by c.job_id, e.n
        ) as g
        cross join lateral (select b as job from jobs b where b.job_id = g.job_id and b.deduped_as is null offset 0) as j
        order by g.n
    loop
        perform supaqueue_store_graph(given.job, given.element, at_once);
    end loop;
end $$;
