-- The server's clock, not the transaction's, and the table's oid, which keys the lock.
-- No lock on the table, no index.
SELECT clock_timestamp(), to_regclass(:'qualified')::oid::bigint;
