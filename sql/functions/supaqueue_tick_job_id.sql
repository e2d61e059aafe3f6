-- The id of the job of a tick: a UUIDv7 of the tick's milliseconds, then a hash of schedule and tick, then the key's bucket.
-- Whoever asks gets the same one.
create or replace function supaqueue_tick_job_id(schedule_name text, tick timestamptz) returns uuid
language plpgsql stable strict parallel safe
set search_path from current
as $$
declare
    key text := schedule_name || ':' || supaqueue_utc_text(tick);
    hash text := encode(sha256(convert_to(key, 'UTF8')), 'hex');
    last_half bit(64) := B'10' || ('x' || substr(hash, 4, 12))::bit(48) || supaqueue_key_bucket(key)::bit(14);
begin
    return (lpad(to_hex(supaqueue_microseconds(tick) / 1000), 12, '0') || '7' || left(hash, 3) || to_hex(last_half::bigint))::uuid;
end $$;
