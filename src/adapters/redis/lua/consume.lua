-- ARGV: how long this call is remembered; then for each order: order, number of units, and product,
-- quantity of each.
if lost() then
  return not_ready()
end
if not first_time() then
  return 0
end
local at = 2
while ARGV[at] do
  local last = at + 1 + 2 * ARGV[at + 1]
  give_back(ARGV[at])
  for n = at + 2, last, 2 do
    redis.call('HINCRBY', stock, ARGV[n], '-' .. ARGV[n + 1])
  end
  at = last + 1
end
return 1
