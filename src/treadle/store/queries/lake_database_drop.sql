-- Not WITH (FORCE): that is refused when anybody is there whose role we do not have, an autovacuum worker
-- for one. Without it such a worker is sent away, and others are waited for, for 5 s.
SELECT format('DROP DATABASE IF EXISTS %I', $1::text)
