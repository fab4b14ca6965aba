-- Macros with the name of a function of the engine, which are called in its place.
SELECT m.macro_id, s.schema_name, m.macro_name, m.begin_snapshot
FROM public.ducklake_macro m
JOIN public.ducklake_schema s ON s.schema_id = m.schema_id AND s.end_snapshot IS NULL
WHERE m.end_snapshot IS NULL AND lower(m.macro_name) = ANY ($1::text[])
ORDER BY m.macro_id
