-- Counts tasks that were skipped (`by` 1), or were and are open again (-1): an element per task. Null if there are none.
create or replace function supaqueue_count_skipped(job_ids uuid[], by integer, at_once timestamptz) returns void
language plpgsql
set search_path from current
as $$
declare
    number constant integer := cardinality(job_ids);
    none integer[];
begin
    if number > 0 then
        none := array_fill(0, array[number]);
        perform supaqueue_count_tasks(job_ids, none, array_fill(-by, array[number]), none, array_fill(by, array[number]), at_once);
    end if;
end $$;
