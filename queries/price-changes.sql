-- price-changes
-- What products cost before and after, when that changed.
-- group: catalogue
-- since = 30d: how far back
select product_id, version, round(was / 100.0, 2) as price_before, round(price_minor / 100.0, 2) as price, listed, since as at
  from (select product_id, version, price_minor, listed, since,
               lag(price_minor) over (partition by product_id order by version) as was
          from catalog_prices) as prices
 where was is not null and since >= :since order by since desc, product_id, version
