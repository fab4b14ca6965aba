SELECT format('ALTER ROLE %I LOGIN PASSWORD %L CONNECTION LIMIT %s', $1::text, $2::text, $3::integer)
