-- Who adds a workspace to a project with a quota waits here for whoever does the same.
SELECT pg_advisory_xact_lock(hashtextextended($1, 7328331204115))
