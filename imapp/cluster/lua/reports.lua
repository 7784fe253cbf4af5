-- Reads the latest reports of the live nodes. After now.lua, online.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix.
-- Returns a report (JSON) for each node, '' for a node without one.
local found={}
for _,node in ipairs(live) do found[#found+1]=redis.call('GET',ARGV[1]..':node:'..node) or '' end
return found
