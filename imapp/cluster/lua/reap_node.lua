-- Removes one dead node: a node with an expired lease. After now.lua, online.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix.
-- Returns {node, users that went offline}; {} if no node is dead.
local dead=redis.call('ZRANGEBYSCORE',KEYS[1],'-inf',now,'LIMIT',0,1)[1]
if not dead then return {} end
redis.call('ZREM',KEYS[1],dead)
local gone={}
for _,user in ipairs(redis.call('HKEYS',ARGV[1]..':users:'..dead)) do
  if not online(user,dead) then gone[#gone+1]=user end
end
redis.call('DEL',ARGV[1]..':users:'..dead,ARGV[1]..':conns:'..dead,ARGV[1]..':node:'..dead)
return {dead,gone}
