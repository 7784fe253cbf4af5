-- Renews a node's lease, stores its report, and keeps its keys from expiring. After now.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix, node, the process that holds the lease, length of the lease in ms, report (JSON).
-- Returns {state, Unix time in ms}. State 0: another process holds the lease, 1: renewed, 2: taken after it had expired,
-- or for the first time.
local lease=ARGV[1]..':lease:'..ARGV[2]
local holder=redis.call('GET',lease)
if holder and holder~=ARGV[3] then return {0,now} end
local ms=tonumber(ARGV[4])
redis.call('SET',lease,ARGV[3],'PX',ms)
local known=redis.call('ZSCORE',KEYS[1],ARGV[2])
redis.call('ZADD',KEYS[1],now+ms,ARGV[2])
redis.call('SET',ARGV[1]..':node:'..ARGV[2],ARGV[5],'PX',ms*10)
redis.call('PEXPIRE',ARGV[1]..':conns:'..ARGV[2],ms*10)
redis.call('PEXPIRE',ARGV[1]..':users:'..ARGV[2],ms*10)
return {(holder and known) and 1 or 2,now}
