-- Counts the replicas that share the rates, by this server's clock.
--
-- KEYS[1]  a sorted set: a random name for each replica, with the second in which it was seen last
-- ARGV[1]  the name of this replica
-- ARGV[2]  after how many seconds a replica that is not seen any more does not count
local now = tonumber(redis.call('TIME')[1])
local life = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - life)
redis.call('EXPIRE', KEYS[1], life * 2)
return redis.call('ZCARD', KEYS[1])
