-- Removes a node if this process holds its lease.
-- KEYS[1]: the zset of the nodes' leases.
-- ARGV: prefix, node, process.
-- Returns 1 if it removed the node, else 0.
if redis.call('GET',ARGV[1]..':lease:'..ARGV[2])~=ARGV[3] then return 0 end
redis.call('ZREM',KEYS[1],ARGV[2])
for _,kind in ipairs({'lease','node','conns','users'}) do redis.call('DEL',ARGV[1]..':'..kind..':'..ARGV[2]) end
return 1
