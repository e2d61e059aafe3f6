-- ARGV: before, limit. Returns how many reservations of before that time were removed.
local ids = redis.call('ZRANGEBYSCORE', RESERVED, '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do redis.call('ZREM', RESERVED, id) end
return #ids
