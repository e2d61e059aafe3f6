-- Before any change of a flag, by whichever way: waits for the claims in flight and holds up new ones until it has committed.
create or replace function supaqueue_lock_feature_flag() returns trigger
language plpgsql security definer
set search_path from current
as $$
begin
    perform supaqueue_lock_flag();
    if tg_op = 'TRUNCATE' then
        raise exception using errcode = 'SQ005', message = 'feature_flag: its rows say who owns new jobs; they are not truncated',
            hint = 'To stop everything: update feature_flag set is_enabled = false, rollout_percent = 0.';
    end if;
    return null;
end $$;

create or replace trigger supaqueue_lock_feature_flag before insert or update or delete or truncate on feature_flag
    for each statement execute function supaqueue_lock_feature_flag();
