WITH
    parameters AS (DELETE FROM public.ducklake_macro_parameters WHERE macro_id = ANY ($1::bigint[])),
    implementations AS (DELETE FROM public.ducklake_macro_impl WHERE macro_id = ANY ($1::bigint[]))
DELETE FROM public.ducklake_macro WHERE macro_id = ANY ($1::bigint[])
