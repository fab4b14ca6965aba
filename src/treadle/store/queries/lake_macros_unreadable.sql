SELECT DISTINCT ON (m.macro_id)
    m.macro_id,
    coalesce(s.schema_name, '') AS schema_name,
    m.macro_name,
    m.begin_snapshot,
    p.parameter_name,
    CASE
        WHEN p.default_value_type IN ('list', 'struct', 'map') THEN 'default'
        WHEN p.default_value_type NOT IN ('unknown', 'varchar', 'blob', 'variant') AND p.default_value = 'NULL' THEN 'null'
        ELSE 'type'
    END AS harm,
    (
        SELECT string_agg('(' || coalesce(l.parameters, '') || ') AS '
            || CASE WHEN i.type = 'table' THEN 'TABLE ' ELSE '' END || i.sql, ', ' ORDER BY i.impl_id)
        FROM public.ducklake_macro_impl i
        LEFT JOIN LATERAL (
            SELECT string_agg(
                '"' || replace(q.parameter_name, '"', '""') || '"'
                || CASE WHEN q.parameter_type = 'unknown' THEN '' ELSE ' ' || q.parameter_type END
                || CASE
                    WHEN q.default_value_type = 'unknown' THEN ''
                    WHEN q.default_value_type = 'varchar' THEN ' := ' || quote_literal(q.default_value)
                    ELSE ' := ' || q.default_value
                END,
                ', ' ORDER BY q.column_id
            ) AS parameters
            FROM public.ducklake_macro_parameters q
            WHERE q.macro_id = i.macro_id AND q.impl_id = i.impl_id
        ) l ON true
        WHERE i.macro_id = m.macro_id
    ) AS definition
FROM public.ducklake_macro m
JOIN public.ducklake_macro_parameters p USING (macro_id)
LEFT JOIN public.ducklake_schema s ON s.schema_id = m.schema_id
WHERE p.default_value_type IN ('list', 'struct', 'map')
    OR (p.default_value_type NOT IN ('unknown', 'varchar', 'blob', 'variant') AND p.default_value = 'NULL')
    OR p.parameter_type IN ('list', 'struct', 'map')
ORDER BY m.macro_id, harm, p.impl_id, p.column_id
