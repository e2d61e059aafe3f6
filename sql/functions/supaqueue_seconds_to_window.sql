-- In how many seconds the first of the windows ends that hold something back now; null if none does.
create or replace function supaqueue_seconds_to_window(limits job_running_limits[]) returns double precision
language sql volatile strict
set search_path from current
as $$
    select case when min(w.ends_at) is not null then greatest(0, extract(epoch from min(w.ends_at) - clock_timestamp())) end
    from unnest(limits) as l
    cross join lateral (
        select b.ends_at from job_limit_windows b
        where b.limit_id = l.limit_id and b.ends_at > now() and b.used >= l.starts_limit order by b.limit_id, b.ends_at limit 1
    ) as w
$$;
