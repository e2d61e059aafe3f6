-- The overall flag off wins over every type: an emergency update of it alone stops the shadow runs of types that have their own.
create or replace function supaqueue_stop_shadow_runs_of_types() returns trigger
language plpgsql security definer
set search_path from current
as $$
begin
    if new.task_type is null and not new.is_enabled and new.rollout_percent = 0 and new.shadow_percent = 0 then
        update feature_flag f set shadow_percent = 0, updated_by = new.updated_by, reason = new.reason, evidence = new.evidence
        where f.task_type is not null and f.shadow_percent > 0;
    end if;
    return null;
end $$;

create or replace trigger supaqueue_stop_shadow_runs_of_types after update of is_enabled on feature_flag
    for each row execute function supaqueue_stop_shadow_runs_of_types();
