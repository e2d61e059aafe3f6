-- ARGV per entry: id, epoch, job, content, due_at. Returns an answer per entry.
local function refusal(entry, epoch)
    if entry.epoch > epoch then return 'stale' end
    if entry.closed_as == 'cancelled' or entry.closed_as == 'abandoned' then return 'closed' end
    -- One of Supabase's under this epoch was taken over under a later one.
    if entry.epoch == epoch then return entry.owner == 'legacy' and 'exists' or 'stale' end
    return entry.owner == 'legacy' and entry.ended_at and 'closed' or nil
end

local answers = {}
for n = 1, entries() do
    local id, epoch, job, content, due_at = unpack(ARGV, n * 5 - 4, n * 5)
    local key = key_of(n)
    local entry = read(key)
    answers[n] = entry and refusal(entry, tonumber(epoch)) or 'released'
    if answers[n] == 'released' then
        if not entry then store(key, id, 'legacy', epoch, 'intent') end
        free_marker(key, id)
        redis.call('HDEL', key, 'closed_as', 'native_id', 'due_at', 'cancel_requested', 'ending', 'ended_at', 'finisher')
        redis.call('HDEL', key, 'broken_glass', 'broken_at')
        redis.call('ZREM', OVER, id)
        redis.call('HSET', key, 'owner', 'legacy', 'epoch', epoch, 'starts', 0)
        set_job(key, job, content, due_at)
        set_state(key, id, 'intent')
    end
end
return answers
