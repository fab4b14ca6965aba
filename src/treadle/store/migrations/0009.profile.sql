-- What the metrics of a statement rest on: when its session was opened, and where its own time and memory went.
-- depends: 0005.service

ALTER TABLE sessions ADD COLUMN IF NOT EXISTS opened_at timestamptz;

-- Most short statements have none.
ALTER TABLE statements ADD COLUMN IF NOT EXISTS profile bytea;
