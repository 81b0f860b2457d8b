-- No wait for a lock may be longer than $1 ms, nor than a third of deadlock_timeout: whoever waits that long for us gets to
-- look for deadlocks, and would be the one to be sacrificed. So we are always the first to give way.
SELECT set_config('lock_timeout', greatest(1, least($1::int, setting::int / 3))::text, true)
FROM pg_settings
WHERE name = 'deadlock_timeout';
