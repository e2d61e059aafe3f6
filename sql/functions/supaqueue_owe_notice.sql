-- Owes the owners a notice of each change of a flag, whichever way it was made, in that change's own transaction.
create or replace function supaqueue_owe_notice() returns trigger
language plpgsql security definer
set search_path from current
as $$
begin
    insert into rollout_notices (change_id) values (new.change_id);
    return null;
end $$;

create or replace trigger supaqueue_owe_notice after insert on feature_flag_changes
    for each row execute function supaqueue_owe_notice();
