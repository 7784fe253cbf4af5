-- Reads the users of the node that reap_node.lua would remove next. After now.lua.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix.
-- Returns a list of users; nil if no node is dead.
local dead=redis.call('ZRANGEBYSCORE',KEYS[1],'-inf',now,'LIMIT',0,1)[1]
return dead and redis.call('HKEYS',ARGV[1]..':users:'..dead)
