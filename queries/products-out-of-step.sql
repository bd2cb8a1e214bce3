-- products-out-of-step
-- Products of which cart or inventory do not know the catalogue's newest version.
-- group: catalogue
select c.product_id, c.version as catalogue, p.catalog_version as inventory, k.version as cart, c.updated_at
  from catalog_products c
  left join products p on p.product_id = c.product_id
  left join cart_products k on k.product_id = c.product_id
 where p.catalog_version is null or k.version is null or p.catalog_version <> c.version or k.version <> c.version
 order by c.updated_at, c.product_id
