-- Counts uses against a rate limit in a sliding window: the previous window counts with the share of it that the sliding
-- window still covers.
-- KEYS[1]: the hash of the limit's counts for one key.
-- ARGV: uses allowed, window in seconds, uses to add (-1 takes one back).
-- Returns 0 if the uses are allowed, else the number of milliseconds until they would be.
local t=redis.call('TIME')
local size=tonumber(ARGV[2])
local position=(t[1]+t[2]/1000000)/size
local window=math.floor(position)
local known=redis.call('HMGET',KEYS[1],'window','now','before')
local age,now,before=window-(tonumber(known[1]) or 0),tonumber(known[2]) or 0,tonumber(known[3]) or 0
if age==1 then before=now now=0 elseif age~=0 then before=0 now=0 end
local rest=1-(position-window)
local free=tonumber(ARGV[1])-tonumber(ARGV[3])-now
if before*rest>free then
  local wait=rest
  if free>=0 then wait=rest-free/before end
  return math.max(1,math.ceil(wait*size*1000))
end
redis.call('HSET',KEYS[1],'window',window,'now',now+tonumber(ARGV[3]),'before',before)
redis.call('PEXPIRE',KEYS[1],size*2000)
return 0
