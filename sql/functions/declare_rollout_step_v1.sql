-- Declares what the present step of a flag must prove before it goes on: once, the first declaration stays. `number` 2 and up begins
-- a step anew whose decision was no pass; that takes a reason, and counts what comes from then on. Repeatable. Answers `declared`
-- with the step, or `over`: the flag stands at another step by now, or nothing is to be begun anew.
create or replace function declare_rollout_step_v1(step jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
declare
    declared rollout_steps;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_new_step(step);
    perform supaqueue_lock_steps();
    insert into rollout_steps (flag_name, flag_version, number, percent, next_percent, began_at, declared_by, reason,
        mismatch_bound, seen_rate, declared_jobs, canary_jobs, holding_seconds)
    select began.flag_name, began.version, g.number, (began.after ->> 'rollout_percent')::numeric, g.next_percent,
        case g.number when 1 then began.changed_at else clock_timestamp() end, g.declared_by, g.reason,
        g.mismatch_bound, g.seen_rate, g.declared_jobs, g.canary_jobs, g.holding_seconds
    from jsonb_populate_record(null::rollout_steps, step) as g
    cross join lateral supaqueue_begun_step(g.flag_name) as began
    where began.version = g.flag_version and (g.number = 1 or exists (
        select from rollout_steps s where s.flag_name = g.flag_name and s.flag_version = g.flag_version
            and s.number = g.number - 1 and s.verdict = 'no_pass'))
    on conflict do nothing;
    select s.* into declared from rollout_steps s where s.flag_name = step ->> 'flag_name'
        and s.flag_version = (step ->> 'flag_version')::bigint and s.number = (step ->> 'number')::integer;
    return jsonb_build_object('answer', case when declared.step_id is null then 'over' else 'declared' end,
        'step', case when declared.step_id is not null then to_jsonb(declared) end);
end $$;
