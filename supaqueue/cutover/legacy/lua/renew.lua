-- ARGV: id, epoch, runner, microseconds. Returns an answer.
local id, epoch, runner, lasts = unpack(ARGV)
local key = key_of(1)
local entry = read(key)
if not entry or entry.runner ~= runner or entry.epoch ~= tonumber(epoch) then return 'lost' end
redis.call('HSET', key, 'runs_until', microseconds(now + lasts))
redis.call('ZADD', RUNNING, now + lasts, id)
return redis.call('HEXISTS', key, 'cancel_requested') == 1 and 'cancel' or 'held'
