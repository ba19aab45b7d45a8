-- Counts a try in a leaky bucket that all gateways share, or gives one back.
--
-- KEYS  1 the bucket (string: at which microsecond of this server's clock it is empty)
-- ARGV  1 microseconds in which one try leaks away   2 microseconds of tries that the bucket holds
--       3 'try', or 'forgive': the last one was not a failure
-- Answers: microseconds until the next try may come; 0: this one is counted, or given back.
--
-- The key ends when the bucket is empty, so no more of them stand here than tries came lately.

local every, depth = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local empty_at = tonumber(redis.call('GET', KEYS[1]) or '') or now

-- A clock that was stepped back, or was another server's, must not leave a bucket fuller than full.
local filled = math.min(math.max(empty_at - now, 0), depth)
if ARGV[3] == 'forgive' then
  filled = filled - every
elseif filled + every > depth then
  return string.format('%.0f', filled + every - depth)
else
  filled = filled + every
end

if filled > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', now + filled), 'PX', math.ceil(filled / 1000))
else
  redis.call('DEL', KEYS[1])
end
return '0'
