-- The database has refused these taps: what they left pending goes.
--
-- KEYS  1 units
-- ARGV  for each tap: unit ordinal, tap
-- Answers: how many words were taken back. Another tap's word, or the journal's, stays.

local taken = 0

for at = 1, #ARGV, 2 do
  local word = redis.call('HGET', KEYS[1], ARGV[at])
  if word then
    local seq, tap = string.match(word, '^p(%d+):%d+:(.*)$')
    if tap == ARGV[at + 1] then
      taken = taken + 1
      if seq == '0' then
        redis.call('HDEL', KEYS[1], ARGV[at])
      else
        redis.call('HSET', KEYS[1], ARGV[at], 'f' .. seq)
      end
    end
  end
end

return taken
