SELECT
    c.table_id,
    c.column_id,
    coalesce(s.schema_name, '') AS schema_name,
    t.table_name || '.' || c.column_name AS name,
    lost.snapshot,
    lost.fields
FROM public.ducklake_column c
JOIN public.ducklake_table t ON t.table_id = c.table_id AND t.end_snapshot IS NULL
LEFT JOIN public.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
JOIN LATERAL (
    SELECT d.end_snapshot AS snapshot, string_agg('"' || d.column_name || '"', ', ' ORDER BY d.column_order) AS fields
    FROM public.ducklake_column d
    WHERE d.table_id = c.table_id AND d.parent_column = c.column_id AND d.end_snapshot IS NOT NULL
    GROUP BY d.end_snapshot
    ORDER BY d.end_snapshot DESC
    LIMIT 1
) lost ON true
WHERE c.end_snapshot IS NULL
    AND c.column_type = 'struct'
    AND NOT EXISTS (
        SELECT FROM public.ducklake_column d
        WHERE d.table_id = c.table_id AND d.parent_column = c.column_id AND d.end_snapshot IS NULL
    )
ORDER BY c.table_id, c.column_id
