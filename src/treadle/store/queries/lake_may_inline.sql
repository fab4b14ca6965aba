SELECT EXISTS (SELECT FROM public.ducklake_metadata WHERE key = 'data_inlining_row_limit' AND value <> '0')
