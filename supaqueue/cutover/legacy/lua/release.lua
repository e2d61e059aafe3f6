-- ARGV per entry: id, epoch, job, content, due_at. Returns an answer per entry.
local function refusal(entry, epoch)
    if entry.owner == 'legacy' and entry.epoch == epoch and entry.state ~= 'closed' then return 'exists' end
    if entry.epoch > epoch then return 'stale' end
    if entry.closed_as == 'taken_over' and not entry.ended_at then
        return entry.epoch == epoch and 'stale' or nil
    end
    return (entry.closed_as or entry.ended_at) and 'closed' or nil
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
        redis.call('HDEL', key, 'closed_as', 'native_id', 'due_at', 'cancel_requested')
        redis.call('ZREM', OVER, id)
        redis.call('HSET', key, 'owner', 'legacy', 'epoch', epoch, 'starts', 0)
        set_job(key, job, content, due_at)
        set_state(key, id, 'intent')
    end
end
return answers
