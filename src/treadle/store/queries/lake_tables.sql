-- The files of every table in its newest snapshot. $1: sizes below which files are small; $2: share of deleted rows.
-- Files can be merged with others of the same table, partition and form of the table that have no deletes.
WITH parts AS (
    SELECT data_file_id, string_agg(partition_key_index || '=' || coalesce(partition_value, ''), ','
        ORDER BY partition_key_index) AS place
    FROM public.ducklake_file_partition_value GROUP BY data_file_id
), live AS (
    SELECT f.table_id, f.file_size_bytes AS size, p.place, coalesce(d.delete_count, 0) AS deleted,
        coalesce(d.delete_count, 0) >= $2::float8 * greatest(f.record_count, 1) AS mostly,
        (SELECT max(v.begin_snapshot) FROM public.ducklake_schema_versions v
            WHERE v.table_id = f.table_id AND v.begin_snapshot <= f.begin_snapshot) AS form
    FROM public.ducklake_data_file f
    LEFT JOIN public.ducklake_delete_file d ON d.data_file_id = f.data_file_id AND d.end_snapshot IS NULL
    LEFT JOIN parts p ON p.data_file_id = f.data_file_id
    WHERE f.end_snapshot IS NULL
), alike AS (
    SELECT l.table_id, tier.number, count(*) AS files, sum(l.size) AS size
    FROM live l JOIN unnest($1::bigint[]) WITH ORDINALITY AS tier (most, number) ON l.size < tier.most
    WHERE l.deleted = 0
    GROUP BY l.table_id, tier.number, l.place, l.form
    HAVING count(*) > 1
), small AS (
    SELECT table_id, number, sum(files)::bigint AS files, sum(size)::bigint AS size FROM alike GROUP BY table_id, number
), counted AS (
    SELECT table_id, count(*) AS files, sum(size)::bigint AS size,
        count(*) FILTER (WHERE deleted > 0) AS deleted,
        coalesce(sum(size) FILTER (WHERE deleted > 0), 0)::bigint AS deleted_bytes,
        count(*) FILTER (WHERE deleted > 0 AND mostly) AS mostly_deleted,
        coalesce(sum(size) FILTER (WHERE deleted > 0 AND mostly), 0)::bigint AS mostly_deleted_bytes
    FROM live GROUP BY table_id
)
SELECT s.schema_name AS schema, t.table_name AS name, c.files, c.size AS bytes, c.deleted, c.deleted_bytes,
    c.mostly_deleted, c.mostly_deleted_bytes,
    ARRAY(SELECT coalesce(small.files, 0) FROM generate_series(1, cardinality($1::bigint[])) n
        LEFT JOIN small ON small.table_id = t.table_id AND small.number = n ORDER BY n) AS small_files,
    ARRAY(SELECT coalesce(small.size, 0) FROM generate_series(1, cardinality($1::bigint[])) n
        LEFT JOIN small ON small.table_id = t.table_id AND small.number = n ORDER BY n) AS small_bytes
FROM counted c
JOIN public.ducklake_table t ON t.table_id = c.table_id AND t.end_snapshot IS NULL
JOIN public.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
ORDER BY s.schema_name, t.table_name
