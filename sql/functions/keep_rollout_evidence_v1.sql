-- Keeps what a decision rests on, for good, and answers the hash that names it: SHA-256 of the text's UTF-8, in hex. Repeatable.
create or replace function keep_rollout_evidence_v1(content text, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
declare
    name constant text := encode(sha256(convert_to(content, 'UTF8')), 'hex');
begin
    perform supaqueue_check_call(contract_version);
    if coalesce(octet_length(content), 0) not between 1 and 1000000 then
        raise exception using errcode = 'SQ003', message = 'content: expected 1 to 1000000 bytes';
    end if;
    insert into rollout_evidence (hash, content) values (name, keep_rollout_evidence_v1.content) on conflict do nothing;
    return jsonb_build_object('hash', name);
end $$;
