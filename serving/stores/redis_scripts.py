"""Lua scripts of the Redis store: each runs as a whole or not at all."""

# ARGV: the sender, then six values per row: table and key, user, day, day as a number, JSON, digest.
# Returns the number of new rows, then the index and the sender of the stored row for each conflict.
APPEND = """
local answer, given = {0}, {}
for i = 2, #ARGV, 6 do
  local field, digest = ARGV[i], ARGV[i + 5]
  local stored = given[field] or redis.call('HGET', 'purse:keys', field)
  if not stored then
    given[field] = digest .. ARGV[1]
  elseif string.sub(stored, 1, #digest) ~= digest then
    table.insert(answer, (i - 2) / 6)
    table.insert(answer, string.sub(stored, #digest + 1))
  end
end
if #answer > 1 then return answer end
for i = 2, #ARGV, 6 do
  local field, user = ARGV[i], ARGV[i + 1]
  if redis.call('HSETNX', 'purse:keys', field, ARGV[i + 5] .. ARGV[1]) == 1 then
    redis.call('HSET', 'purse:rows:' .. user, field, ARGV[i + 2] .. ARGV[i + 4])
    redis.call('ZADD', 'purse:days', 'GT', ARGV[i + 3], user)
    redis.call('ZADD', 'purse:waiting', redis.call('INCR', 'purse:ticket'), user)
    answer[1] = answer[1] + 1
  end
end
return answer
"""
# ARGV: generation, number of scores, user and value of each score, then user and ticket of each scored user.
KEEP = """
local state = redis.call('GET', 'purse:state')
if not state or cjson.decode(state).generation ~= tonumber(ARGV[1]) then return end
local scored = 2 + 2 * tonumber(ARGV[2])
for i = 3, scored, 2 do redis.call('HSET', 'purse:scores:' .. ARGV[1], ARGV[i], ARGV[i + 1]) end
for i = scored + 1, #ARGV, 2 do
  if redis.call('ZSCORE', 'purse:waiting', ARGV[i]) == ARGV[i + 1] then redis.call('ZREM', 'purse:waiting', ARGV[i]) end
end
"""
# ARGV: the first day as a number, and the state to activate; an empty text leaves the state as it is.
SWITCH = """
if ARGV[2] ~= '' then
  redis.call('SET', 'purse:state', ARGV[2])
  redis.call('DEL', 'purse:set_aside')
end
for _, user in ipairs(redis.call('ZRANGEBYSCORE', 'purse:days', ARGV[1], '+inf')) do
  redis.call('ZADD', 'purse:waiting', redis.call('INCR', 'purse:ticket'), user)
end
"""
