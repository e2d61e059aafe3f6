-- ARGV: closed_as, then per entry: id, epoch or nothing. Returns an answer per entry.
local closed_as = ARGV[1]

local function refusal(entry, epoch)
    if epoch and entry.epoch ~= epoch then return 'stale' end
    if entry.closed_as == closed_as then return 'closed' end
    if entry.closed_as or entry.ended_at then return 'ended' end
    if entry.runs_until > now then return 'started' end
    if entry.starts > 0 and closed_as ~= 'cancelled' then return 'started' end
    return nil
end

local function close(key, id, starts, due_at)
    set_state(key, id, 'closed')
    free_marker(key, id)
    redis.call('HSET', key, 'closed_as', closed_as)
    if closed_as == 'taken_over' then redis.call('HSET', key, 'owner', 'supabase') end
    if closed_as == 'cancelled' or closed_as == 'abandoned' then
        set_ending(key, id, '{"status":"cancelled","attempts":' .. starts .. '}', '')
        redis.call('ZADD', UNSENT, now, id)
    else
        -- Until it is due, a copy that the broker did not remove must find it.
        redis.call('ZADD', OVER, math.max(now, due_at), id)
    end
end

local answers = {}
for n = 1, entries() do
    local id, epoch, key = ARGV[n * 2], tonumber(ARGV[n * 2 + 1]), key_of(n)
    local entry = read(key)
    if not entry then store(key, id, 'legacy', 0, 'closed') end
    answers[n] = entry and refusal(entry, epoch) or 'closed'
    if not entry or not refusal(entry, epoch) then close(key, id, entry and entry.starts or 0, tonumber(entry and entry.due_at or 0)) end
end
return answers
