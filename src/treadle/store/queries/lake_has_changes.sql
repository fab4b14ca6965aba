SELECT to_regclass('public.ducklake_snapshot_changes') IS NOT NULL
