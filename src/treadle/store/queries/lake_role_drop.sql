SELECT format('DROP ROLE IF EXISTS %I', $1::text)
