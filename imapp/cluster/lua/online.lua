-- Shared, after now.lua: the nodes with a lease, and whether a user has a connection to one of them.
-- KEYS[1]: the zset of the nodes' leases. ARGV[1]: the prefix of the cluster's keys.
local live=redis.call('ZRANGEBYSCORE',KEYS[1],'('..now,'+inf')

-- Returns whether the user has a connection to a live node other than `but` (nil: to any live node).
local function online(user,but)
  for _,node in ipairs(live) do
    if node~=but and redis.call('HEXISTS',ARGV[1]..':users:'..node,user)==1 then return true end
  end
  return false
end
