create or replace function supaqueue_check_decision(decision jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
begin
    perform supaqueue_check_step('decision', decision,
        '{"step_id": "1 to 9007199254740991", "verdict": "a string", "mismatch_rate": "a number", "evidence": "a string",
          "decided_by": "1 to 200 characters"}',
        '{step_id,verdict,evidence,decided_by}', '{mismatch_rate}');
    if decision ->> 'verdict' not in ('pass', 'no_pass') then
        raise exception using errcode = 'SQ003', message = 'decision.verdict: expected pass or no_pass';
    elsif decision ->> 'evidence' !~ '^[0-9a-f]{64}$' then
        raise exception using errcode = 'SQ003', message = 'decision.evidence: expected a SHA-256 in hex';
    end if;
end $$;
