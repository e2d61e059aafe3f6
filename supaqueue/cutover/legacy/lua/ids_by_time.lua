-- ARGV: since, until, after (id), after (time), limit, `accepted` or `noted`. Returns {id, time} in their order by (time, id).
-- What was accepted in one call shares a time.
local since, before, after_id, after_time, limit, which = unpack(ARGV)
limit = tonumber(limit)
local set = which == 'noted' and NOTED or ACCEPTED
local from = after_time ~= '' and tonumber(after_time) > tonumber(since) and after_time or since

local found, offset = {}, 0
while #found < limit do
    local page = redis.call('ZRANGEBYSCORE', set, from, '(' .. before, 'WITHSCORES', 'LIMIT', offset, limit)
    if #page == 0 then break end
    for n = 1, #page, 2 do
        local is_after = after_time == '' or tonumber(page[n + 1]) > tonumber(after_time) or page[n] > after_id
        if is_after and #found < limit then found[#found + 1] = {page[n], microseconds(page[n + 1])} end
    end
    offset = offset + limit
end
return found
