SELECT DISTINCT name
FROM (
    SELECT regexp_replace(path, '^.*/', '') AS name FROM public.ducklake_data_file
    UNION ALL
    SELECT regexp_replace(path, '^.*/', '') FROM public.ducklake_delete_file
    UNION ALL
    SELECT regexp_replace(path, '^.*/', '') FROM public.ducklake_files_scheduled_for_deletion
) known
WHERE name = ANY ($1::text[])
