UPDATE public.ducklake_macro SET macro_name = 'own_' || macro_name WHERE macro_id = ANY ($1::bigint[])
