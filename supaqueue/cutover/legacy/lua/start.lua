-- ARGV: id, epoch, runner, microseconds. Returns an answer.
local id, epoch, runner, lasts = unpack(ARGV)
local key = key_of(1)
epoch = tonumber(epoch)

local entry = read(key)
if not entry then return 'unknown' end
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
