-- Held to the end of the transaction: a submit under a chosen id and a cancel before it take turns.
SELECT pg_advisory_xact_lock(hashtextextended($1, 7328331204114))
