-- ARGV per entry: id, job, content, due_at, ending, ended_at.
for n = 1, entries() do
    local id, job, content, due_at, ending, ended_at = unpack(ARGV, n * 6 - 5, n * 6)
    local key = key_of(n)
    local entry = read(key)
    if not entry then
        store(key, id, 'supabase', 0, 'parked')
        set_job(key, job, content, due_at)
        entry = read(key)
    end
    if entry.owner == 'supabase' then
        set_ending(key, id, ending, ended_at)
        redis.call('HSETNX', key, 'closed_as', 'settled')
        set_state(key, id, 'closed')
        redis.call('ZADD', OVER, now, id)
    end
end
