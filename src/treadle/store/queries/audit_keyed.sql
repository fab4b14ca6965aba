SELECT * FROM audit WHERE key = ANY ($1::text[]) AND key <> '' ORDER BY id
