-- Sets KEYS[1] to ARGV[1] for ARGV[2] milliseconds if it is ARGV[3], or, without that, if it is absent.
if redis.call('GET', KEYS[1]) ~= (ARGV[3] or false) then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
