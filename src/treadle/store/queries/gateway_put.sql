INSERT INTO gateway (holder, place, pid, renewed_at) VALUES ($1, $2, $3, clock_timestamp())
ON CONFLICT (one) DO UPDATE
SET holder = excluded.holder, place = excluded.place, pid = excluded.pid, renewed_at = excluded.renewed_at
