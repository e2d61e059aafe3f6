-- For how long without a break more than a fifth of such calls have failed, up to the last slot in which any were told of; 0 if
-- they do not, or if nobody told for a minute. Slots without calls are no break.
create or replace function supaqueue_failing_seconds(slots timestamptz[], sent bigint[], failed bigint[], at_once timestamptz)
returns double precision
language sql immutable
set search_path from current
as $$
    with told as (
        select s.slot_at, s.failed > s.sent * 0.2 as is_failing
        from unnest(slots, sent, failed) as s (slot_at, sent, failed) where s.sent > 0
    ), run as (
        select min(t.slot_at) as first_at, max(t.slot_at) as last_at from told t
        where t.is_failing and (t.slot_at > (select max(o.slot_at) from told o where not o.is_failing)) is not false
    )
    select case when r.last_at > at_once - interval '1 minute'
        then extract(epoch from least(at_once, r.last_at + interval '20 seconds') - r.first_at) else 0 end
    from run r
$$;
