UPDATE public.ducklake_schema SET end_snapshot = NULL WHERE schema_id = $1 AND end_snapshot = $2
