SELECT schema_id, end_snapshot AS snapshot
FROM public.ducklake_schema
WHERE schema_name = 'main'
    AND NOT EXISTS (SELECT FROM public.ducklake_schema WHERE schema_name = 'main' AND end_snapshot IS NULL)
ORDER BY end_snapshot DESC
LIMIT 1
