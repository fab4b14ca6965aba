UPDATE statements SET results_expire_at = least(results_expire_at, %s), results_expired = true
WHERE results_expire_at IS NOT NULL
