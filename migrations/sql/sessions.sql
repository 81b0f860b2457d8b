-- Who else is connected to this database, and which transactions they have open. Everybody may see as much of
-- pg_stat_activity. Background workers of no user (autovacuum) do not count. Run after begin.sql.
SELECT count(DISTINCT a.pid) AS others,
       coalesce(array_agg(l.virtualxid || ' of process ' || a.pid ORDER BY a.pid) FILTER (WHERE l.virtualxid IS NOT NULL),
                '{}')::text[] AS transactions
FROM pg_stat_activity a
LEFT JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted
WHERE a.datname = current_database() AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid();
