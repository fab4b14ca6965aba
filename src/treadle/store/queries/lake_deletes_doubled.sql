-- Tables with data files of which more than one list of deleted rows is in force, and since which snapshot: up to then
-- a query of the past reads one list at most.
SELECT s.schema_name, t.table_name, count(*) AS files, min(d.snapshot) AS snapshot
FROM (
    SELECT data_file_id, table_id, (array_agg(begin_snapshot ORDER BY begin_snapshot))[2] AS snapshot
    FROM public.ducklake_delete_file
    WHERE end_snapshot IS NULL
    GROUP BY data_file_id, table_id
    HAVING count(*) > 1
) d
JOIN public.ducklake_table t ON t.table_id = d.table_id AND t.end_snapshot IS NULL
JOIN public.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
GROUP BY s.schema_name, t.table_name
ORDER BY 1, 2
