-- No session begins there any more, so that those that are ended stay away.
SELECT format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS false', $1::text)
