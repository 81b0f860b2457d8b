-- The server's clock, not the transaction's, and the table's oid, which keys the lock.
-- Asked outside any batch, hence the full names. No lock on the table, no index.
SELECT pg_catalog.clock_timestamp(), pg_catalog.to_regclass(:'qualified')::oid::bigint;
