-- Removes a connection of a node. After now.lua, online.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix, node, sid, user.
-- Returns 1 if the user went offline with it, else 0.
local users=ARGV[1]..':users:'..ARGV[2]
if redis.call('HDEL',ARGV[1]..':conns:'..ARGV[2],ARGV[3])==0 then return 0 end
if redis.call('HINCRBY',users,ARGV[4],-1)>0 then return 0 end
redis.call('HDEL',users,ARGV[4])
return online(ARGV[4],ARGV[2]) and 0 or 1
