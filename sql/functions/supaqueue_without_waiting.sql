-- Those of the given jobs that a claim may want while these types are drained: what only waits to go back to legacy is not even
-- locked, so that a hand-back does not pass over it.
create or replace function supaqueue_without_waiting(job_ids uuid[], drained text[]) returns uuid[]
language sql stable
set search_path from current
as $$
    select array_agg(j.job_id) from unnest(job_ids) as g (job_id)
    cross join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j
    where j.held or j.owner <> 'supabase' or j.task_type <> all (drained)
$$;
