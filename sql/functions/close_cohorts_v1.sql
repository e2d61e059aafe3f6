-- Counts what is due to be counted of the minutes from `since` on, for a second or little more: first attempts `first_seconds` after
-- a minute, final outcomes when its type's settle window is over; and once in a minute what waits. Each is counted once and for
-- good, whoever calls; callers at the same time take turns. `more`: there is more to count, call again.
create or replace function close_cohorts_v1(
    since text, first_seconds double precision, settle_seconds double precision, settle_by_type jsonb, contract_version integer
) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
declare
    until constant timestamptz := clock_timestamp() + interval '1 second';
    counted timestamptz;
    latest timestamptz;
    reached timestamptz;
    more boolean;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_closing(since, first_seconds, settle_seconds, settle_by_type);
    counted := supaqueue_lock_cohorts(since::timestamptz);
    perform supaqueue_sample_backlogs();
    latest := date_bin('1 minute', clock_timestamp() - make_interval(secs => first_seconds), 'epoch');
    reached := supaqueue_close_first(counted, latest, until, first_seconds, settle_seconds, settle_by_type);
    more := supaqueue_close_final(until, first_seconds, settle_seconds, settle_by_type);
    perform supaqueue_prune_cohorts();
    return jsonb_build_object('counted_until', reached, 'more', reached < latest or more);
end $$;
