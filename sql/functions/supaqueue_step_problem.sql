-- Why a step cannot be decided on this evidence now; null if it can. One that is decided stays as it was decided.
create or replace function supaqueue_step_problem(step rollout_steps, evidence text) returns text
language sql stable
set search_path from current
as $$
    select case
        when (step).step_id is null then 'unknown'
        when (step).decided_at is not null then 'decided'
        when (step).flag_version is distinct from (select c.version from supaqueue_begun_step((step).flag_name) as c)
            or exists (select from rollout_steps s where s.flag_name = (step).flag_name
                and s.flag_version = (step).flag_version and s.number > (step).number) then 'over'
        when clock_timestamp() < (step).began_at + make_interval(secs => (step).holding_seconds) then 'too_soon'
        when not exists (select from rollout_evidence e where e.hash = evidence) then 'no_evidence' end
$$;
