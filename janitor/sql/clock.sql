-- The server's clock, not the transaction's, and the table's oid, which keys the lock.
-- In microseconds, for its text would be in the DateStyle of the session.
-- Asked outside any batch, hence the full names. No lock on the table, no index.
SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8, pg_catalog.to_regclass(:'qualified')::pg_catalog.oid::pg_catalog.int8,
       -- a session that rests longer is ended; 0 = never
       extract(epoch FROM pg_catalog.current_setting('idle_session_timeout')::pg_catalog.interval)::pg_catalog.float8,
       -- whether the extension citus is there
       pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL;
