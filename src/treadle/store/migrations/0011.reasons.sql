-- The reason in words of a cancel that came before its submit.
-- depends: 0010.gateway

ALTER TABLE tombstones ADD COLUMN IF NOT EXISTS detail text;
