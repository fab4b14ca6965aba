SELECT to_regclass('public.ducklake_metadata') IS NOT NULL AS known
