-- ARGV: product, stock that was seen, stock that is right, of each. Compared as texts, all 64 bits.
if lost() then
  return not_ready()
end
for n = 1, #ARGV, 3 do
  if (redis.call('HGET', stock, ARGV[n]) or '0') == ARGV[n + 1] then
    redis.call('HSET', stock, ARGV[n], ARGV[n + 2])
  end
end
return 1
