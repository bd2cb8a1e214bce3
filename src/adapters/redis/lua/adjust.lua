-- ARGV: how long this call is remembered; then product, change of each.
if lost() then
  return not_ready()
end
if not first_time() then
  return 0
end
for n = 2, #ARGV, 2 do
  redis.call('HINCRBY', stock, ARGV[n], ARGV[n + 1])
end
return 1
