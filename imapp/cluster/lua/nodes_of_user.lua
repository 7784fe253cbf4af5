-- Finds the live nodes with a connection of a user. After now.lua, online.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix, user.
-- Returns the nodes' ids.
local found={}
for _,node in ipairs(live) do
  if redis.call('HEXISTS',ARGV[1]..':users:'..node,ARGV[2])==1 then found[#found+1]=node end
end
return found
