-- ARGV: now.
if lost() then
  return not_ready()
end
return expire(ARGV[1])
