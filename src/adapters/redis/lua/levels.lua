-- Stock and held units, each as product, number of each.
if lost() then
  return not_ready()
end
return { redis.call('HGETALL', stock), redis.call('HGETALL', held) }
