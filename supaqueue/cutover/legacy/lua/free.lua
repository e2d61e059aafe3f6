-- ARGV: id, epoch, runner.
local id, epoch, runner = unpack(ARGV)
local entry = read(key_of(1))
if entry and entry.runner == runner and entry.epoch == tonumber(epoch) then free_marker(key_of(1), id) end
