-- The steps of all flags, latest first, by page: `before_id` is the last step_id of the page before; and `begun`: with which change
-- the present step of each flag began, declared or not.
create or replace function list_rollout_steps_v1(before_id bigint, page_size integer, contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
begin
    perform supaqueue_check_call(contract_version);
    if page_size is null or page_size not between 1 and 1000 then
        raise exception using errcode = 'SQ003', message = 'page_size: expected 1 to 1000';
    end if;
    return jsonb_build_object(
        'read_at', clock_timestamp(),
        'begun', (
            select coalesce(jsonb_agg(jsonb_build_object('flag_name', f.flag_name, 'flag_version', c.version,
                'began_at', c.changed_at) order by f.flag_name), '[]')
            from feature_flag f cross join lateral supaqueue_begun_step(f.flag_name) as c
        ),
        'steps', (
            select coalesce(jsonb_agg(to_jsonb(s) order by s.step_id desc), '[]')
            from (
                select * from rollout_steps
                where step_id < coalesce(before_id, 9223372036854775807) order by step_id desc limit page_size
            ) as s
        ));
end $$;
