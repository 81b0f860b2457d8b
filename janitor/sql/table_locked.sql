-- Whether another session holds, or waits in line for, a lock on the table or a partition that keeps a DELETE
-- from beginning: DDL, as opposed to locks on rows. Every role may see pg_locks.
--
-- Lock: none. Index: the catalogue's own.
SELECT EXISTS (SELECT
                 FROM pg_locks
                WHERE locktype = 'relation'
                  AND pid IS DISTINCT FROM pg_backend_pid() -- a prepared transaction has none
                  AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND (relation = :'oid'::oid
                       OR relation IN (SELECT relid FROM pg_partition_tree(:'oid'::oid::regclass))));
