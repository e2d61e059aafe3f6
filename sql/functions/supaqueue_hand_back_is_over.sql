-- Whether a pass that found nothing was the last one; it began with this oldest running transaction.
create or replace function supaqueue_hand_back_is_over(pass_xmin xid8) returns boolean
language sql stable
set search_path from current
as $$
    select exists (select from job_hand_backs b where b.horizon <= pass_xmin)
        and not exists (
            select from (
                select distinct t.task_type, t.status from job_tasks t
                where t.status in ('claimed', 'processing') and t.purpose = 'run' offset 0
            ) as leased
            where supaqueue_goes_back(leased.task_type) = 'all'
                or leased.status = 'claimed' and supaqueue_goes_back(leased.task_type) <> 'none')
        and not exists (select from jobs j where j.mirror_state = 'release_due')
$$;
