-- What else keeps the server busy: read between two batches, for those who asked.
--
-- A standby that has not told yet where it is has no write_lsn; what receives WAL to keep it
-- has one, and never a replay_lsn, and a base backup neither. An open vacuum or index build
-- holds SHARE UPDATE EXCLUSIVE on the table, which every role may see. WAL waits for the slot
-- that lags most, but not for one that was given up, or for the archive: from the end of the
-- segment that came there last, or the first one that failed to.
--
-- Lock: none on the table. Index: none.
SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_see_lag,
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS written,
       (SELECT min(pg_wal_lsn_diff(replay_lsn, '0/0'))::bigint FROM pg_stat_replication) AS replayed,
       coalesce((SELECT max(extract(epoch FROM replay_lag)) FROM pg_stat_replication
                  WHERE replay_lsn < pg_current_wal_lsn()), 0)::double precision AS lag,
       EXISTS (SELECT FROM pg_stat_replication WHERE write_lsn IS NULL AND state <> 'backup') AS lag_unknown,
       EXISTS (SELECT FROM pg_locks
                WHERE locktype = 'relation' AND granted AND mode = 'ShareUpdateExclusiveLock'
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND (relation = :'oid'::oid
                       OR relation IN (SELECT relid FROM pg_partition_tree(:'oid'::oid::regclass)))) AS vacuum,
       greatest(
           (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) FROM pg_replication_slots
             WHERE wal_status IS DISTINCT FROM 'lost'),
           CASE WHEN current_setting('archive_mode') <> 'off' THEN (
               -- a segment's name is timeline, then the two halves of its place in the WAL
               SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')
                      - ('x' || substr(name, 9, 8))::bit(32)::bigint * 4294967296
                      - (('x' || substr(name, 17, 8))::bit(32)::bigint + whole) * pg_size_bytes(current_setting('wal_segment_size'))
                 FROM pg_stat_archiver,
                      LATERAL (VALUES (1, last_archived_wal, 1), (2, last_failed_wal, 0)) AS segment (n, name, whole)
                WHERE name ~ '^[0-9A-F]{24}(\.partial)?$'
                  AND (n = 1 OR last_archived_time IS NULL OR last_failed_time > last_archived_time)
                ORDER BY n
                LIMIT 1
           ) END, 0)::bigint AS wal_retained,
       EXISTS (SELECT FROM pg_locks AS waits
                WHERE NOT waits.granted
                  AND EXISTS (SELECT FROM pg_locks AS there
                               WHERE there.pid = waits.pid AND there.locktype IN ('relation', 'tuple')
                                 AND there.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                                 AND there.relation = :'oid'::oid)) AS lock_waits;
