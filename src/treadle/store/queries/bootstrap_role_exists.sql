SELECT rolname FROM pg_roles WHERE rolname = %s
