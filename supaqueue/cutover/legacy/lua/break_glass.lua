-- ARGV: who and why, then per entry: id. Returns per entry the epoch under which it may run, or -1.
local function note(key)
    redis.call('HSET', key, 'broken_glass', ARGV[1], 'broken_at', microseconds(now))
end

local function take(key, id, epoch)
    free_marker(key, id)
    redis.call('HDEL', key, 'closed_as', 'native_id', 'cancel_requested', 'finisher')
    redis.call('ZREM', OVER, id)
    redis.call('HSET', key, 'owner', 'legacy', 'epoch', epoch, 'starts', 0)
    set_state(key, id, 'intent')
    note(key)
    return epoch
end

local function allow(key, id, entry)
    if not entry or not entry.content or entry.ended_at then return -1 end
    if entry.owner == 'supabase' then
        local is_copy = entry.state == 'parked' or entry.closed_as == 'taken_over'
        return is_copy and take(key, id, entry.epoch + 1) or -1
    end
    if entry.state == 'closed' or entry.epoch == 0 then return -1 end
    if redis.call('HEXISTS', key, 'broken_glass') == 0 then note(key) end
    return entry.epoch
end

local answers = {}
for n = 1, entries() do
    answers[n] = allow(key_of(n), ARGV[n + 1], read(key_of(n)))
end
return answers
