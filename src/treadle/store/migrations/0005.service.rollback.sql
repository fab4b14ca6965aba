ALTER TABLE sessions DROP COLUMN IF EXISTS worker;
DROP TABLE IF EXISTS tombstones;
ALTER TABLE statements
    DROP COLUMN IF EXISTS inline,
    DROP COLUMN IF EXISTS chosen_id,
    DROP COLUMN IF EXISTS tags,
    DROP COLUMN IF EXISTS idempotency_key,
    DROP COLUMN IF EXISTS idempotency_digest,
    DROP COLUMN IF EXISTS keepalive,
    DROP COLUMN IF EXISTS lease_until,
    DROP COLUMN IF EXISTS cancel_detail,
    DROP COLUMN IF EXISTS detail;
