SELECT s.snapshot_id, s.snapshot_time, coalesce(c.author, '') AS author, coalesce(c.changes_made, '') AS changes
FROM public.ducklake_snapshot s LEFT JOIN public.ducklake_snapshot_changes c USING (snapshot_id)
ORDER BY s.snapshot_id DESC LIMIT $1
