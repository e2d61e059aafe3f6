-- Changes a flag, the overall one (`task_type` null) or a type's own, which begins as a copy of the overall one. `changes` names
-- what changes. With `expected_version` only if the flag still stands at it. Repeatable by request id. Answers the flag as it stands.
create or replace function change_feature_flag_v1(
    request_id uuid, task_type text, changes jsonb, expected_version bigint, changed_by text, reason text, evidence text,
    contract_version integer
) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
declare
    name constant text := 'supabase_queue' || coalesce(':' || change_feature_flag_v1.task_type, '');
    flag feature_flag;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_flag_change(request_id, task_type, changes, changed_by, reason, evidence);
    perform supaqueue_lock_flag();
    if supaqueue_begin_change(request_id, 'change_feature_flag_v1',
        jsonb_build_object('flag_name', name, 'changes', changes), changed_by) then
        select f.* into flag from feature_flag f where f.flag_name = name;
        if expected_version is not null and flag.version is distinct from expected_version then
            raise exception using errcode = 'SQ005',
                message = format('feature_flag: %s is at version %s by now, not at %s; nothing was changed', name,
                    coalesce(flag.version::text, 'none'), expected_version),
                hint = 'Look at what changed it (supaqueue rollout history), then decide again.';
        end if;
        perform supaqueue_change_flag(name, flag.flag_name is null, changes, changed_by, reason, evidence);
    end if;
    return (select to_jsonb(f) from feature_flag f where f.flag_name = name);
end $$;
