-- Lets a relay tell legacy of jobs once more, of which it was told before, and notes why. The caller holds the jobs' locks.
create or replace function supaqueue_send_again(job_ids uuid[], repaired_by text) returns void
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
begin
    update jobs j set mirror_state = case before.mirror_state when 'written' then 'due' else 'end_due' end
    from unnest(supaqueue_send_again.job_ids) as g (job_id)
    cross join lateral (select b.ctid as place, b.mirror_state from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.mirror_state in ('written', 'settled');
    insert into job_repairs (job_id, task_type, class, accepted_at, repaired_by)
    select g.job_id, j.task_type, 'missing_in_legacy', j.created_at, supaqueue_send_again.repaired_by
    from unnest(supaqueue_send_again.job_ids) as g (job_id)
    cross join lateral (select b.task_type, b.created_at from jobs b where b.job_id = g.job_id offset 0) as j
    on conflict (job_id) do update set repaired_at = excluded.repaired_at, repaired_by = excluded.repaired_by;
end $$;
