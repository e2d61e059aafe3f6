-- ARGV per entry: id, job, content, due_at, native id. Returns an answer per entry.
local answers = {}
for n = 1, entries() do
    local id, job, content, due_at, native_id = unpack(ARGV, n * 5 - 4, n * 5)
    if read(key_of(n)) then
        answers[n] = 'exists'
    elseif redis.call('ZSCORE', NOTED, id) then
        answers[n] = 'begun'
    else
        store(key_of(n), id, 'legacy', 0, 'published')
        set_job(key_of(n), job, content, due_at)
        redis.call('HSET', key_of(n), 'native_id', native_id)
        answers[n] = 'adopted'
    end
end
return answers
