-- ARGV: orders.
if lost() then
  return not_ready()
end
for _, order in ipairs(ARGV) do
  give_back(order)
end
return 1
