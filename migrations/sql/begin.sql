-- The search_path of the session as the server resolves it, put aside: until the commit only pg_catalog counts, so that
-- nobody's function, operator or type can stand in for the server's own. Hence the full names here.
--
-- No wait for a lock may be longer than $1 ms, nor than a third of deadlock_timeout: whoever waits that long for us gets to
-- look for deadlocks, and would be the one to be sacrificed. So we are always the first to give way.
--
-- The other limits are meant for the API, or were left behind on a connection that a pooler shares: a look at a large
-- catalogue, or over a slow link, may take longer. They are all of $2 ms.
--
-- The planner thinks so much of some queries on the catalogue that it would have them compiled (jit), which takes seconds.
SELECT pg_catalog.current_schemas(true) AS schemas,
       pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
       pg_catalog.set_config('lock_timeout', greatest(1, least($1::pg_catalog.int4, setting::pg_catalog.int4 OPERATOR(pg_catalog./) 3))::pg_catalog.text, true),
       pg_catalog.set_config('jit', 'off', true),
       pg_catalog.set_config('statement_timeout', $2::pg_catalog.int4::pg_catalog.text, true),
       pg_catalog.set_config('idle_in_transaction_session_timeout', $2::pg_catalog.int4::pg_catalog.text, true),
       CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL -- since PostgreSQL 17
            THEN pg_catalog.set_config('transaction_timeout', $2::pg_catalog.int4::pg_catalog.text, true) END
  FROM pg_catalog.pg_settings
 WHERE name OPERATOR(pg_catalog.=) 'deadlock_timeout';
