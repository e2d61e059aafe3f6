-- Decides a step, once: the first decision stays, whatever comes later. Repeatable. Answers with the step `decided`, now or before;
-- `too_soon`: its holding time is not over; `over`: the flag stands at another step by now; `no_evidence`: none was kept under that
-- hash; or `unknown`.
create or replace function decide_rollout_step_v1(decision jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
declare
    step rollout_steps;
    problem text;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_decision(decision);
    perform supaqueue_lock_steps();
    select s.* into step from rollout_steps s where s.step_id = (decision ->> 'step_id')::bigint;
    problem := supaqueue_step_problem(step, decision ->> 'evidence');
    if problem is null then
        update rollout_steps s set decided_at = clock_timestamp(), verdict = decision ->> 'verdict',
            mismatch_rate = (decision ->> 'mismatch_rate')::double precision, evidence = decision ->> 'evidence',
            decided_by = decision ->> 'decided_by'
        where s.step_id = step.step_id returning s.* into step;
    end if;
    return jsonb_build_object('answer', coalesce(problem, 'decided'),
        'step', case when step.step_id is not null then to_jsonb(step) end);
end $$;
