-- ARGV: id, epoch, runner, microseconds, and for a message without a stamp how long its note is kept. Returns an answer.
local id, epoch, runner, lasts, kept = unpack(ARGV)
local key = key_of(1)
epoch = tonumber(epoch)

local function note()
    redis.call('ZADD', NOTED, now, id)
    redis.call('HINCRBY', UNSTAMPED, 'runs', 1)
    redis.call('HSET', UNSTAMPED, 'last_at', microseconds(now))
    -- More than come, so that what is over is soon gone.
    local over = redis.call('ZRANGEBYSCORE', NOTED, '-inf', '(' .. microseconds(now - kept), 'LIMIT', 0, 10)
    for _, old in ipairs(over) do redis.call('ZREM', NOTED, old) end
    return 'noted'
end

local entry = read(key)
if not entry then return kept and note() or 'unknown' end
if entry.epoch > epoch then return 'stale' end
if entry.closed_as then return 'closed' end
if entry.ended_at then return 'ended' end
if entry.epoch < epoch or entry.owner ~= 'legacy' then return 'unknown' end
if entry.runner ~= runner then
    if entry.runs_until > now then return 'busy' end
    redis.call('HINCRBY', key, 'starts', 1)
end
redis.call('HSET', key, 'runner', runner, 'runs_until', microseconds(now + lasts))
redis.call('ZADD', RUNNING, now + lasts, id)
return 'started'
