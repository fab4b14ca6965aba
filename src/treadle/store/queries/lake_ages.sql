-- $1: snapshots made before it are old, none when it is NULL; $2: files out of use since before it are needed by nobody.
SELECT
    (SELECT count(*) FROM public.ducklake_snapshot) AS snapshots,
    (SELECT count(*) FROM public.ducklake_snapshot
        WHERE snapshot_time < $1 AND snapshot_id < (SELECT max(snapshot_id) FROM public.ducklake_snapshot)) AS expirable,
    (SELECT count(*) FROM public.ducklake_files_scheduled_for_deletion) AS scheduled,
    (SELECT count(*) FROM public.ducklake_files_scheduled_for_deletion WHERE schedule_start < $2) AS removable
