SELECT * FROM catalogs ORDER BY created_at, id
