-- Every change of the flags, latest first, by page: `before_id` is the last change_id of the page before.
create or replace function list_flag_changes_v1(before_id bigint, page_size integer, contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
begin
    perform supaqueue_check_call(contract_version);
    if page_size is null or page_size not between 1 and 1000 then
        raise exception using errcode = 'SQ003', message = 'page_size: expected 1 to 1000';
    end if;
    return (
        select coalesce(jsonb_agg(to_jsonb(c) order by c.change_id desc), '[]')
        from (
            select * from feature_flag_changes
            where change_id < coalesce(before_id, 9223372036854775807) order by change_id desc limit page_size
        ) as c
    );
end $$;
