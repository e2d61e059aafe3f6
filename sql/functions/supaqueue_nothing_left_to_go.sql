-- Whether a pass that found nothing waiting, and that began with this oldest running transaction, proves that nothing of the types
-- that go back comes to wait any more: whoever may have known the flag as it was had ended, and nothing of theirs is leased.
create or replace function supaqueue_nothing_left_to_go(pass_xmin xid8) returns boolean
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
$$;
