DROP TABLE IF EXISTS statements;
DROP FUNCTION IF EXISTS statements_refuse_commit();
DROP FUNCTION IF EXISTS statements_refuse_change();
