SELECT set_config('treadle.audit_before', $1::timestamptz::text, true)
