-- What a change of a flag is held to, by whichever way it is made: allowed steps between stages, nothing raised while latched or
-- while jobs go back. `live` and `canary` follow from the percent, so that a plain update of the percent is enough.
create or replace function supaqueue_check_feature_flag() returns trigger
language plpgsql security definer
set search_path from current
as $$
declare
    before feature_flag;
    problem text;
begin
    if tg_op = 'DELETE' then
        problem := supaqueue_flag_removal_problem(old);
    else
        before := case when tg_op = 'UPDATE' then old else supaqueue_overall_flag() end;
        if new.stage in ('mirror', 'shadow') and new.is_enabled then
            new.stage := 'canary';
        end if;
        if new.stage in ('canary', 'live') then
            new.stage := case when new.rollout_percent = 100 then 'live' else 'canary' end;
        end if;
        new.version := nextval('feature_flag_version');
        new.updated_at := clock_timestamp();
        if tg_op = 'UPDATE' then
            new.updated_by := case when new.updated_by is distinct from old.updated_by then rtrim(new.updated_by, E'\n') end;
            new.reason := case when new.reason is distinct from old.reason then rtrim(new.reason, E'\n') end;
            new.evidence := case when new.evidence is distinct from old.evidence then rtrim(new.evidence, E'\n') end;
            new.raised_at := old.raised_at;
        end if;
        if new.raised_at is null and (
            new.stage in ('canary', 'live') and new.is_enabled and new.rollout_percent > 0
            or before.stage = 'complete' and new.stage <> 'complete' and exists (select from jobs)) then
            new.raised_at := clock_timestamp();
        end if;
        problem := supaqueue_flag_problem(before, new, tg_op = 'INSERT');
    end if;
    if problem is not null then
        raise exception using errcode = 'SQ005', message = 'feature_flag: ' || problem;
    end if;
    return coalesce(new, old);
end $$;

create or replace trigger supaqueue_check_feature_flag before insert or update or delete on feature_flag
    for each row execute function supaqueue_check_feature_flag();
