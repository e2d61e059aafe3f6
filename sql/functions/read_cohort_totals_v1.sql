-- Of cohorts of minutes from `since` on and before `until`: how long jobs took, by type; up to which minute cohorts are counted; and
-- what waited in the 20 minutes before `until`, oldest first. Times are seconds since 1970.
create or replace function read_cohort_totals_v1(since text, until text, contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    upto timestamptz;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_observing(since, until, null, 1);
    upto := until::timestamptz;
    return jsonb_build_object(
        'observed_at', extract(epoch from clock_timestamp()),
        'counted_until', (select extract(epoch from m.counted_until) from job_cohort_marks m),
        'latencies', supaqueue_latencies(since::timestamptz, upto),
        'backlogs', (
            select coalesce(jsonb_agg(jsonb_build_object('minute', (extract(epoch from b.minute) / 60)::bigint,
                'sampled_at', extract(epoch from b.sampled_at), 'types', b.types) order by b.minute), '[]')
            from job_backlogs b where b.minute > upto - interval '20 minutes' and b.minute <= upto));
end $$;
