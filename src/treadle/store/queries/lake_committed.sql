SELECT EXISTS (SELECT FROM public.ducklake_snapshot_changes WHERE commit_extra_info = $1)
