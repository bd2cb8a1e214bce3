-- ARGV: now; then for each hold: order, rank, expires, number of units, and product, quantity of each.
-- Answers for each hold the products that were short and what was available of them. Ranks are texts
-- of equal length that sort like numbers: a number here has 53 bits.
if lost() then
  return not_ready()
end
expire(ARGV[1])

local function short_of(previous, first, last)
  local own, short = {}, {}
  for n = 1, previous and #previous.units or 0, 2 do
    own[previous.units[n]] = tonumber(previous.units[n + 1])
  end
  for n = first, last, 2 do
    local product = ARGV[n]
    local free = level(stock, product) - level(held, product) + (own[product] or 0)
    if free < tonumber(ARGV[n + 1]) then
      short[#short + 1] = product
      short[#short + 1] = math.max(free, 0)
    end
  end
  return short
end

local answers = {}
local at = 2
while ARGV[at] do
  local order, rank, expires = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local first, last = at + 4, at + 3 + 2 * ARGV[at + 3]
  local previous = hold_of(order)
  local short = {}
  -- What is held under a higher rank is newer; whoever asks will find out.
  if not previous or previous.rank <= rank then
    short = short_of(previous, first, last)
    if #short == 0 then
      if previous then
        give_back(order)
      end
      take(order, rank, expires, first, last)
    end
  end
  answers[#answers + 1] = short
  at = last + 1
end
return answers
