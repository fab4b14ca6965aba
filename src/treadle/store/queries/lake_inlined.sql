-- DuckLake keeps inlined rows in tables named ducklake_inlined_data_<table>_<version>, inlined deletes in
-- ducklake_inlined_delete_<table>; a flush leaves them empty. Those of a dropped table stay with its old snapshots.
SELECT coalesce(
    string_agg(
        format(
            'SELECT s.schema_name || ''.'' || t.table_name AS name FROM public.ducklake_table t
            JOIN public.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
            WHERE t.table_id = %s AND t.end_snapshot IS NULL AND EXISTS (SELECT FROM %s)',
            substring(relname FROM '[0-9]+'), oid::regclass
        ),
        ' UNION '
    ),
    'SELECT NULL::text AS name WHERE false'
) AS command
FROM pg_class
WHERE relkind = 'r' AND relnamespace = to_regnamespace('public')
    AND relname ~ '^ducklake_inlined_(data_[0-9]+_[0-9]+|delete_[0-9]+)$'
