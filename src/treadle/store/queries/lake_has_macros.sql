SELECT to_regclass('public.ducklake_macro_parameters') IS NOT NULL
