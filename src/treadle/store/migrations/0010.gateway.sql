-- One gateway at a time serves a store, and sessions whose openers have no answer yet are known as such.
-- depends: 0009.profile

-- One row at most: the gateway that holds the store's lock, or held it last.
CREATE TABLE IF NOT EXISTS gateway (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    holder     text NOT NULL,
    place      text NOT NULL,
    pid        bigint NOT NULL,
    renewed_at timestamptz NOT NULL
);

ALTER TABLE sessions ADD COLUMN IF NOT EXISTS unanswered boolean NOT NULL DEFAULT false;
