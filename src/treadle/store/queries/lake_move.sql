UPDATE public.ducklake_metadata SET value = %s WHERE key = 'data_path'
