-- The changes of flags that owners are to be told of now, oldest first, each with its notice's id and how often that was tried. What
-- nobody could be told of within 7 days is given up.
create or replace function list_rollout_notices_v1(page_size integer, contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
begin
    perform supaqueue_check_call(contract_version);
    if page_size is null or page_size not between 1 and 1000 then
        raise exception using errcode = 'SQ003', message = 'page_size: expected 1 to 1000';
    end if;
    return (
        select coalesce(jsonb_agg(jsonb_build_object('notice_id', n.notice_id, 'attempts', n.attempts, 'change', to_jsonb(n.c))
            order by n.change_id), '[]')
        from (
            select o.notice_id, o.attempts, o.change_id, c
            from rollout_notices o join feature_flag_changes c using (change_id)
            where o.told_at is null and o.due_at <= clock_timestamp() and c.changed_at > clock_timestamp() - interval '7 days'
            order by o.change_id limit page_size
        ) as n
    );
end $$;
