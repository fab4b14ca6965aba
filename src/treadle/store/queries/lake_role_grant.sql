-- To own its database for it, to look into it and to end its backends.
SELECT format('GRANT %I TO CURRENT_USER', $1::text)
