SELECT pg_notify('treadle_wake', $1)
