-- Who holds or waits for a lock that ours would have to wait for: any lock on the tables $1 or their partitions; on those
-- of $2, one that a reader does not take. Everybody may see as much of pg_locks. Run after begin.sql.
-- Locks: none that last.
SELECT format('%s on %s by %s', l.mode, l.relation::regclass, coalesce('process ' || l.pid, 'a prepared transaction')) AS held
FROM pg_locks l
JOIN (SELECT t.oid, p.relid, t.oid = ANY ($1::oid[]) AS any_mode
      FROM unnest($1::oid[] || $2::oid[]) AS t(oid)
      CROSS JOIN LATERAL (SELECT t.oid AS relid UNION SELECT relid FROM pg_partition_tree(t.oid)) AS p) AS ours ON ours.relid = l.relation
WHERE l.locktype = 'relation'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND (ours.any_mode OR l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
ORDER BY 1
LIMIT 5;
