-- DuckLake keeps inlined rows in tables named ducklake_inlined_data_<table>_<version>, inlined deletes in
-- ducklake_inlined_delete_<table>; what it flushed leaves them empty.
SELECT coalesce(string_agg(format('SELECT FROM %s', oid::regclass), ' UNION ALL '), 'SELECT WHERE false')
FROM pg_class
WHERE relkind = 'r' AND relnamespace = to_regnamespace('public')
    AND relname ~ '^ducklake_inlined_(data_[0-9]+_[0-9]+|delete_[0-9]+)$'
