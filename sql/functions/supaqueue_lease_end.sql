-- When a lease ends that is renewed now: not long after the attempt's timeout or the task's deadline, so that a worker which is
-- stuck loses the task although it sends heartbeats. The allowance is for a worker that is not stuck to end it and to say so.
-- Never in the past: rescues look for what ends from where the clock was at their last look.
create or replace function supaqueue_lease_end(
    wanted timestamptz, at_once timestamptz, started_at timestamptz, timeout interval, deadline_at timestamptz
) returns timestamptz
language sql stable
set search_path from current
return case when started_at is null or timeout is null and deadline_at is null then wanted
    else greatest(at_once, least(wanted, least(started_at + timeout, deadline_at) + interval '15 seconds')) end;
