-- DuckLake keeps inlined rows in tables named ducklake_inlined_data_<table>_<version>, inlined deletes in
-- ducklake_inlined_delete_<table>; a flush leaves them empty. Those of a dropped table stay with its old snapshots.
SELECT coalesce(
    string_agg(
        format(
            'SELECT FROM %s WHERE EXISTS (SELECT FROM public.ducklake_table WHERE table_id = %s AND end_snapshot IS NULL)',
            oid::regclass, substring(relname FROM '[0-9]+')
        ),
        ' UNION ALL '
    ),
    'SELECT WHERE false'
)
FROM pg_class
WHERE relkind = 'r' AND relnamespace = to_regnamespace('public')
    AND relname ~ '^ducklake_inlined_(data_[0-9]+_[0-9]+|delete_[0-9]+)$'
