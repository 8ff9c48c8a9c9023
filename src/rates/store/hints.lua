-- Tells which endpoints replicas cannot reach, and learns which of them others report, by this server's clock.
--
-- KEYS[1]   a sorted set: a hashed name for each reported endpoint, with the second in which its report ends
-- ARGV[1]   for how many seconds a report holds
-- ARGV[2]   the most names that are returned
-- ARGV[3..] the names of the endpoints that this replica cannot reach
--
-- Returns: the names of reported endpoints
local now = tonumber(redis.call('TIME')[1])
local life = tonumber(ARGV[1])
-- a report ends within its time, whoever wrote it
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. (now + life), '+inf')
for nth = 3, #ARGV do
  redis.call('ZADD', KEYS[1], now + life, ARGV[nth])
end
redis.call('EXPIRE', KEYS[1], life * 2)
return redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[2]) - 1)
