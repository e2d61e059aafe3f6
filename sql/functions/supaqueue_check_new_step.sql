create or replace function supaqueue_check_new_step(step jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    refused text;
begin
    perform supaqueue_check_step('step', step,
        '{"flag_name": "1 to 200 characters", "flag_version": "1 to 9007199254740991", "number": "1 to 1000000",
          "next_percent": "a number", "mismatch_bound": "a number", "seen_rate": "a number",
          "declared_jobs": "1 to 100000000", "canary_jobs": "an object", "holding_seconds": "a number",
          "declared_by": "1 to 200 characters", "reason": "a string"}',
        '{flag_name,flag_version,number,mismatch_bound,seen_rate,declared_jobs,canary_jobs,holding_seconds,declared_by}',
        '{mismatch_bound,seen_rate}');
    if (step ->> 'next_percent')::numeric not between 0 and 100
        or (step ->> 'next_percent')::numeric * 100 <> trunc((step ->> 'next_percent')::numeric * 100) then
        raise exception using errcode = 'SQ003', message = 'step.next_percent: expected 0 to 100, in steps of 0.01';
    elsif (step ->> 'holding_seconds')::double precision not between 0 and 31622400 then
        raise exception using errcode = 'SQ003', message = 'step.holding_seconds: expected 0 to 31622400';
    elsif (step ->> 'number')::integer > 1 and step ->> 'reason' is null then
        raise exception using errcode = 'SQ003', message = 'step.reason: expected why the step begins anew';
    end if;
    select key into refused from jsonb_each(step -> 'canary_jobs')
    where jsonb_typeof(value) <> 'number' or value::text !~ '^[0-9]{1,9}$' or length(key) not between 1 and 200 limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = 'step.canary_jobs: expected a whole number by task type';
    end if;
end $$;
