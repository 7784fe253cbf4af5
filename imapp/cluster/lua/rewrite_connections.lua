-- Replaces all connections of a node. After now.lua, online.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix, node, then sid, user and text of each open connection.
-- Returns {users that went offline, users that came online}.
local conns,users=ARGV[1]..':conns:'..ARGV[2],ARGV[1]..':users:'..ARGV[2]
local old={}
for _,user in ipairs(redis.call('HKEYS',users)) do old[user]=true end
redis.call('DEL',conns,users)
local gone,come={},{}
for i=3,#ARGV,3 do
  redis.call('HSET',conns,ARGV[i],ARGV[i+2])
  if redis.call('HINCRBY',users,ARGV[i+1],1)==1 and not old[ARGV[i+1]] and not online(ARGV[i+1],ARGV[2]) then
    come[#come+1]=ARGV[i+1]
  end
end
for user in pairs(old) do
  if redis.call('HEXISTS',users,user)==0 and not online(user,ARGV[2]) then gone[#gone+1]=user end
end
return {gone,come}
