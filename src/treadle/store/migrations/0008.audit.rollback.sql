DROP TABLE IF EXISTS audit;
DROP FUNCTION IF EXISTS audit_refuse_change();
