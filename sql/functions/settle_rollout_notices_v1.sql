-- Notes of which changes owners have been told, and which could not be told yet: those are due again after 10 s, doubled with each
-- try, half an hour at most. Told once is told for good. `attempts` says which try it was: a repeat counts none twice. Answers per
-- notice `told`, `due`, or `unknown`.
create or replace function settle_rollout_notices_v1(notices jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_rows('notices[%s]', notices,
        '{"notice_id": "a UUID", "attempts": "0 to 1000000", "told": "a boolean", "problem": "1 to 200 characters"}',
        '{notice_id,attempts,told}');
    perform from rollout_notices n where n.notice_id = any (array(select (e ->> 'notice_id')::uuid from jsonb_array_elements(notices) as e))
    order by n.change_id for update;
    update rollout_notices n set attempts = g.attempts + 1, problem = g.problem,
        told_at = case when g.told then clock_timestamp() end,
        due_at = clock_timestamp() + least(interval '30 min', interval '10 s' * 2 ^ least(g.attempts, 20))
    from (
        select distinct on (notice_id) * from rows from (
            jsonb_to_recordset(notices) as (notice_id uuid, attempts integer, told boolean, problem text)
        ) with ordinality as r (notice_id, attempts, told, problem, n) order by notice_id, told desc, n
    ) as g
    where n.notice_id = g.notice_id and n.told_at is null and (g.told or n.attempts = g.attempts);
    return (
        select coalesce(jsonb_agg(jsonb_build_object('notice_id', g.notice_id, 'answer', case
            when n.notice_id is null then 'unknown' when n.told_at is not null then 'told' else 'due' end) order by g.n), '[]')
        from rows from (jsonb_to_recordset(notices) as (notice_id uuid)) with ordinality as g (notice_id, n)
        left join rollout_notices n using (notice_id)
    );
end $$;
