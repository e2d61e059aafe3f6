-- ARGV: id, epoch, ending. The first note stays.
local id, epoch, ending = unpack(ARGV)
local key = key_of(1)
local entry = read(key)
if not entry or entry.epoch ~= tonumber(epoch) or entry.owner ~= 'legacy' then return end
if redis.call('HEXISTS', key, 'ending') == 1 then redis.call('HSETNX', key, 'repeat', ending) end
