-- What else keeps the server busy: read between two batches, for those who asked.
--
-- replay_lsn is NULL for a standby that has not told yet, and for a role that may not
-- know: neither is no lag. An open vacuum or index build holds SHARE UPDATE EXCLUSIVE
-- on the table, which every role may see. WAL waits for the slot that lags most, or for
-- the archive.
--
-- Lock: none on the table. Index: none.
SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_see_lag,
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS written,
       (SELECT min(pg_wal_lsn_diff(replay_lsn, '0/0'))::bigint FROM pg_stat_replication) AS replayed,
       EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn IS NULL) AS lag_unknown,
       EXISTS (SELECT FROM pg_locks
                WHERE locktype = 'relation' AND granted AND mode = 'ShareUpdateExclusiveLock'
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND (relation = :'oid'::oid
                       OR relation IN (SELECT relid FROM pg_partition_tree(:'oid'::oid::regclass)))) AS vacuum,
       greatest(
           (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) FROM pg_replication_slots),
           CASE WHEN current_setting('archive_mode') <> 'off' THEN (
               -- a segment's name is timeline, then the two halves of its place in the WAL
               SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')
                      - (('x' || substr(last_archived_wal, 9, 8))::bit(32)::bigint * 4294967296
                         + ('x' || substr(last_archived_wal, 17, 8))::bit(32)::bigint * pg_size_bytes(current_setting('wal_segment_size')))
                 FROM pg_stat_archiver
                WHERE last_archived_wal ~ '^[0-9A-F]{24}$'
           ) END, 0)::bigint AS wal_retained,
       EXISTS (SELECT FROM pg_locks AS waits
                WHERE NOT waits.granted
                  AND EXISTS (SELECT FROM pg_locks AS there
                               WHERE there.pid = waits.pid AND there.locktype IN ('relation', 'tuple')
                                 AND there.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                                 AND there.relation = :'oid'::oid)) AS lock_waits;
