-- Reads all online users. After now.lua, online.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix.
-- Returns a list of users for each live node.
local found={}
for _,node in ipairs(live) do found[#found+1]=redis.call('HKEYS',ARGV[1]..':users:'..node) end
return found
