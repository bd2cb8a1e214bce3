-- What all verbs share. Their keys are always the same four:
--   stock   hash        product -> durable stock
--   held    hash        product -> units held, where there are any
--   orders  hash        order -> its hold, as `rank expires product quantity product quantity ...`
--   expiry  sorted set  order, by when its hold lapses
-- Each has a marker under the empty name from when it was filled. If one of them is gone (flushed,
-- evicted, deleted), all are lost. A key that holds something else raises WRONGTYPE before anything
-- is written.
local stock, held, orders, expiry = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local function lost()
  local there = redis.call('HEXISTS', stock, '') + redis.call('HEXISTS', held, '')
    + redis.call('HEXISTS', orders, '')
  return not redis.call('ZSCORE', expiry, '') or there < 3
end

local function not_ready()
  return redis.error_reply('NOTREADY holds are empty')
end

local function level(hash, product)
  return tonumber(redis.call('HGET', hash, product) or 0)
end

-- Remembers for ARGV[1] milliseconds that KEYS[5] has been done; false if it had been before.
local function first_time()
  return redis.call('SET', KEYS[5], 1, 'NX', 'PX', ARGV[1])
end

-- An order's hold; its units are products and quantities in turns.
local function hold_of(order)
  local text = redis.call('HGET', orders, order)
  if not text then
    return nil
  end
  local words = {}
  for word in string.gmatch(text, '%S+') do
    words[#words + 1] = word
  end
  local hold = { rank = words[1], units = {} }
  for n = 3, #words do
    hold.units[n - 2] = words[n]
  end
  return hold
end

local function give_back(order)
  local hold = hold_of(order)
  redis.call('HDEL', orders, order)
  redis.call('ZREM', expiry, order)
  for n = 1, hold and #hold.units or 0, 2 do
    if redis.call('HINCRBY', held, hold.units[n], '-' .. hold.units[n + 1]) <= 0 then
      redis.call('HDEL', held, hold.units[n])
    end
  end
end

-- Takes the hold of an order with the units ARGV[first] to ARGV[last].
local function take(order, rank, expires, first, last)
  local words = { rank, expires }
  for n = first, last, 2 do
    redis.call('HINCRBY', held, ARGV[n], ARGV[n + 1])
    words[#words + 1] = ARGV[n]
    words[#words + 1] = ARGV[n + 1]
  end
  redis.call('HSET', orders, order, table.concat(words, ' '))
  redis.call('ZADD', expiry, expires, order)
end

-- Ends the holds that have lapsed; how many.
local function expire(now)
  local count = 0
  repeat
    local lapsed = redis.call('ZRANGEBYSCORE', expiry, '-inf', now, 'LIMIT', 0, 1000)
    for _, order in ipairs(lapsed) do
      give_back(order)
    end
    count = count + #lapsed
  until #lapsed == 0
  return count
end

