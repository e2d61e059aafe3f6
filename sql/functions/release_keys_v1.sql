-- Lets order keys go on past the failed task that blocks each: that one stays a dead letter, and the next has its turn. Each key as
-- (queue, order_key). Repeatable by request id: answered as the first was. Per key `released` or `not_blocked`, with the job that
-- blocked it.
create or replace function release_keys_v1(
    request_id uuid, keys jsonb, reason text, changed_by text, contract_version integer
) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    answers jsonb;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_key_release(request_id, keys, reason, changed_by);
    if not supaqueue_begin_change(request_id, 'release_keys_v1',
            jsonb_build_object('keys', keys, 'reason', release_keys_v1.reason), changed_by) then
        return (select c.change -> 'answers' from job_changes c where c.request_id = release_keys_v1.request_id);
    end if;
    answers := supaqueue_release_order_keys(keys);
    update job_changes c set change = c.change || jsonb_build_object('answers', answers)
    where c.request_id = release_keys_v1.request_id;
    return answers;
end $$;
