-- Claims and finishes that workers sent in the last ten minutes and how many got no usable answer; and for how many `seconds`
-- without a break more than a fifth of either have failed. What a worker cannot tell, for the same reason that its calls fail, it
-- tells when it can again: then too late to count as going on.
create or replace function count_worker_calls_v1(contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
begin
    perform supaqueue_check_call(contract_version);
    return (
        select jsonb_build_object(
            'claims_sent', coalesce(sum(c.claims_sent), 0), 'claims_failed', coalesce(sum(c.claims_failed), 0),
            'finishes_sent', coalesce(sum(c.finishes_sent), 0), 'finishes_failed', coalesce(sum(c.finishes_failed), 0),
            'seconds', greatest(0,
                supaqueue_failing_seconds(array_agg(c.slot_at), array_agg(c.claims_sent), array_agg(c.claims_failed), at_once),
                supaqueue_failing_seconds(array_agg(c.slot_at), array_agg(c.finishes_sent), array_agg(c.finishes_failed), at_once)))
        from job_worker_calls c where c.slot_at > at_once - interval '10 minutes'
    );
end $$;
