-- Where rows and deletes of small writes are kept beside the files. An option turns that on, whatever a session says.
SELECT relname::text AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname ~ '^ducklake_inlined_(data|delete)_[0-9_]+$'
