-- Refuses a change of a flag before anything is written.
create or replace function supaqueue_check_flag_change(
    request_id uuid, task_type text, changes jsonb, changed_by text, reason text, evidence text
) returns void
language plpgsql stable
set search_path from current
as $$
declare
    field text;
begin
    perform supaqueue_check_rows('changes', jsonb_build_array(changes),
        '{"stage": "a string", "is_enabled": "a boolean", "rollout_percent": "a number", "holdback_percent": "a number",
          "shadow_percent": "a number", "by_environment": "a boolean", "routes_by_tenant": "a boolean",
          "relays_unrouted": "a boolean", "supabase_tenants": "an array of names", "legacy_tenants": "an array of names",
          "hand_back": "a string", "drain": "a boolean", "latched": "a boolean"}', '{}');
    select key into field from jsonb_each(changes) where value = 'null' limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('changes.%s: expected a value', field);
    end if;
    foreach field in array array['rollout_percent', 'holdback_percent', 'shadow_percent'] loop
        if changes ? field and ((changes ->> field)::numeric not between 0 and 100
            or (changes ->> field)::numeric * 100 <> trunc((changes ->> field)::numeric * 100)) then
            raise exception using errcode = 'SQ003', message = format('changes.%s: expected 0 to 100, in steps of 0.01', field);
        end if;
    end loop;
    if changes = '{}' then
        raise exception using errcode = 'SQ003', message = 'changes: expected what to change';
    elsif changes ->> 'stage' not in ('off', 'mirror', 'shadow', 'canary', 'live', 'complete') then
        raise exception using errcode = 'SQ003',
            message = 'changes.stage: expected off, mirror, shadow, canary, live or complete';
    elsif changes ->> 'hand_back' not in ('none', 'not_started', 'all') then
        raise exception using errcode = 'SQ003', message = 'changes.hand_back: expected none, not_started or all';
    elsif request_id is null then
        raise exception using errcode = 'SQ003', message = 'request_id: expected a UUID';
    elsif length(task_type) not between 1 and 200 then
        raise exception using errcode = 'SQ003', message = 'task_type: expected 1 to 200 characters';
    elsif changed_by is null or length(changed_by) not between 1 and 200 then
        raise exception using errcode = 'SQ003', message = 'changed_by: expected 1 to 200 characters';
    elsif length(reason) not between 1 and 1000 then
        raise exception using errcode = 'SQ003', message = 'reason: expected 1 to 1000 characters';
    elsif length(evidence) not between 1 and 1000 then
        raise exception using errcode = 'SQ003', message = 'evidence: expected 1 to 1000 characters';
    end if;
end $$;
