-- What was kept under a hash: its text, `content` null if nothing was.
create or replace function read_rollout_evidence_v1(hash text, contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
#variable_conflict use_column
begin
    perform supaqueue_check_call(contract_version);
    if coalesce(read_rollout_evidence_v1.hash, '') !~ '^[0-9a-f]{64}$' then
        raise exception using errcode = 'SQ003', message = 'hash: expected a SHA-256 in hex';
    end if;
    return jsonb_build_object('content',
        (select e.content from rollout_evidence e where e.hash = read_rollout_evidence_v1.hash));
end $$;
