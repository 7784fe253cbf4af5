-- Tests which users are online. After now.lua, online.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix, then the users.
-- Returns the online ones.
local found={}
for i=2,#ARGV do if online(ARGV[i],nil) then found[#found+1]=ARGV[i] end end
return found
