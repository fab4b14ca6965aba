WITH RECURSIVE lost AS (
    SELECT table_id, column_id
    FROM public.ducklake_column
    WHERE table_id = $1 AND parent_column = $2 AND end_snapshot = $3
    UNION
    SELECT d.table_id, d.column_id
    FROM public.ducklake_column d
    JOIN lost ON d.table_id = lost.table_id AND d.parent_column = lost.column_id
    WHERE d.end_snapshot = $3
)
UPDATE public.ducklake_column c
SET end_snapshot = NULL
FROM lost
WHERE c.table_id = lost.table_id AND c.column_id = lost.column_id AND c.end_snapshot = $3
