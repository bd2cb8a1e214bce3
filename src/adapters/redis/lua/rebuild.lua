-- ARGV: number of products, and product, stock of each; then for each hold: order, rank, expires,
-- number of units, and product, quantity of each.
if not lost() then
  return 0
end
-- What is left of ours has its marker. Anything else is somebody's, and stays.
for n, key in ipairs({ stock, held, orders, expiry }) do
  local kind = redis.call('TYPE', key).ok
  local ours = kind == 'none' or n < 4 and redis.call('HEXISTS', key, '') == 1
    or n == 4 and redis.call('ZSCORE', key, '')
  if not ours then
    return redis.error_reply('FOREIGN ' .. key .. ' is not of the holds')
  end
end
redis.call('UNLINK', stock, held, orders, expiry)
-- A marker of more than 64 bytes makes a real hash table of each: up to 512 fields (the default of
-- hash-max-listpack-entries) would otherwise be a list, which is searched from its start.
for _, hash in ipairs({ stock, held, orders }) do
  redis.call('HSET', hash, '', string.rep('.', 65))
end
redis.call('ZADD', expiry, '+inf', '')
-- A call takes some 8,000 arguments at most.
local products = 1 + 2 * ARGV[1]
for n = 2, products, 2000 do
  redis.call('HSET', stock, unpack(ARGV, n, math.min(n + 1999, products)))
end
local at = products + 1
while ARGV[at] do
  local first, last = at + 4, at + 3 + 2 * ARGV[at + 3]
  for n = first, last, 2 do
    redis.call('HSETNX', stock, ARGV[n], 0)
  end
  take(ARGV[at], ARGV[at + 1], ARGV[at + 2], first, last)
  at = last + 1
end
return 1
