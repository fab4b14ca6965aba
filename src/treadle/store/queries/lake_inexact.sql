-- The columns of tables that are there whose type Parquet does not hold: earlier versions made them.
SELECT s.schema_name || '.' || t.table_name || '.' || c.column_name || ' ' || c.column_type AS name
FROM public.ducklake_column c
JOIN public.ducklake_table t ON t.table_id = c.table_id AND t.end_snapshot IS NULL
JOIN public.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
WHERE c.end_snapshot IS NULL
    AND c.column_type IN ('int128', 'uint128', 'interval', 'timetz', 'time_ns', 'variant')
ORDER BY 1
