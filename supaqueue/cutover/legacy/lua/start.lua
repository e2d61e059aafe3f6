-- ARGV: id, epoch, runner, microseconds. Returns an answer.
local id, epoch, runner, lasts = unpack(ARGV)
local key = key_of(1)
epoch = tonumber(epoch)

-- What is published was stored before: this index lost it, and rather a job runs again than never.
if not read(key) then store(key, id, 'legacy', epoch, 'published') end
local entry = read(key)
if entry.ended_at then return 'ended' end
if entry.closed_as then return 'closed' end
if entry.epoch > epoch or entry.owner ~= 'legacy' then return 'stale' end
if entry.runner ~= runner then
    if entry.runs_until > now then return 'busy' end
    redis.call('HINCRBY', key, 'starts', 1)
end
redis.call('HSET', key, 'epoch', epoch, 'runner', runner, 'runs_until', microseconds(now + lasts))
redis.call('ZADD', RUNNING, now + lasts, id)
return 'started'
