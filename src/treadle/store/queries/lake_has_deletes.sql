SELECT to_regclass('public.ducklake_delete_file') IS NOT NULL
