ALTER TABLE sessions DROP COLUMN IF EXISTS endpoint_name;
