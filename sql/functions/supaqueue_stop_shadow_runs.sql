-- The emergency update stops shadow runs too, also where it changes nothing else: a column trigger fires for what is named.
create or replace function supaqueue_stop_shadow_runs() returns trigger
language plpgsql security definer
set search_path from current
as $$
begin
    if not new.is_enabled and new.rollout_percent = 0 and new.shadow_percent = old.shadow_percent then
        new.shadow_percent := 0;
    end if;
    return new;
end $$;

create or replace trigger supaqueue_a_stop_shadow_runs before update of is_enabled on feature_flag
    for each row execute function supaqueue_stop_shadow_runs();
