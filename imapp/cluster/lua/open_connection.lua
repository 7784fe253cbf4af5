-- Adds a connection of a node. After now.lua, online.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix, node, sid, user, the connection's text.
-- Returns 1 if the user came online with it, else 0.
local users=ARGV[1]..':users:'..ARGV[2]
local was=redis.call('HEXISTS',users,ARGV[4])==1 or online(ARGV[4],ARGV[2])
if redis.call('HSET',ARGV[1]..':conns:'..ARGV[2],ARGV[3],ARGV[5])==1 then redis.call('HINCRBY',users,ARGV[4],1) end
return was and 0 or 1
