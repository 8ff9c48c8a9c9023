-- Leases tokens of one client to one replica: a rate (GCRA) and a quota of the day, by this server's clock.
--
-- KEYS[1]  a hash of the client: tat (when its bucket is full again, in microseconds), day (since 1970), used
-- ARGV[1]  microseconds for each token; 0: no rate
-- ARGV[2]  how many microseconds the client may be ahead of its rate
-- ARGV[3]  calls of a day; 0: no quota
-- ARGV[4]  tokens wanted
-- ARGV[5]  tokens given back, leased before and not used
-- ARGV[6]  calls made without a token that count against the rate
-- ARGV[7]  calls made without a token that count against the quota
--
-- Returns: tokens granted, tokens left, microseconds until the next one, calls of the day, milliseconds left of the day
local interval, tolerance, quota = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local wanted, returned = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000000 + tonumber(time[2])
local day = math.floor(seconds / 86400)
local known = redis.call('HMGET', KEYS[1], 'tat', 'day', 'used')

-- what is owed beyond one full bucket is forgiven, so that neither a fault nor a clock that was set blocks a client
local furthest = now + 2 * (tolerance + interval)
local tat = math.max(tonumber(known[1]) or now, now) + (tonumber(ARGV[6]) - returned) * interval
tat = math.min(math.max(tat, now), furthest)
local used = 0
if tonumber(known[2]) == day then
  used = math.max((tonumber(known[3]) or 0) - returned, 0)
end
used = used + tonumber(ARGV[7])

local left = wanted
local wait = 0
if interval > 0 then
  left = math.max(math.floor((now + tolerance - tat) / interval) + 1, 0)
end
if quota > 0 then
  left = math.min(left, math.max(quota - used, 0))
end
local granted = math.min(wanted, left)
tat = tat + granted * interval
used = used + granted
left = left - granted
if interval > 0 then
  wait = math.max(math.ceil(tat - tolerance - now), 0)
end

local day_left = (day + 1) * 86400000 - math.floor(now / 1000)
local keep = math.ceil((tat - now) / 1000)
if quota > 0 then
  keep = math.max(keep, day_left)
end
redis.call('HSET', KEYS[1], 'tat', string.format('%.3f', tat), 'day', day, 'used', used)
redis.call('PEXPIRE', KEYS[1], keep + 1000)
return {granted, left, wait, used, day_left}
