-- ARGV: id, epoch, runner, ending, ended_at. Returns an answer.
local id, epoch, runner, ending, ended_at = unpack(ARGV)
local key = key_of(1)
local entry = read(key)
if not entry or entry.epoch ~= tonumber(epoch) then return 'lost' end
if entry.ended_at then return entry.finisher == runner and 'recorded' or 'lost' end
if entry.runner ~= runner then return 'lost' end
set_state(key, id, 'published')
set_ending(key, id, ending, ended_at)
redis.call('HSET', key, 'finisher', runner)
redis.call('ZADD', UNSENT, now, id)
return 'recorded'
