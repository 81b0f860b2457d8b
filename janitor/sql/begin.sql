-- Begins a batch and returns whether it may work, and for alone.go which transactions have ended. Every setting is local to the transaction, so nothing
-- stays on a connection that a pooler shares.
--
-- Lock: an advisory lock until the end of the transaction. A batch that does not get it has
-- token_janitor.has_lock = false, and its statements match no row. A dry run (:'dry_run') takes no lock:
-- it must not turn a working janitor away.
--
-- The enable_* settings leave the index, or a range of heap blocks, as the only plan, whatever the
-- table's statistics say. Under plan_cache_mode = auto each of our statements, sent once, is planned
-- for its values, while the check of a foreign key keeps its plan: planned anew for each row, it makes
-- a deletion three times slower. ISO and UTC make a timestamp's text exact and unambiguous,
-- extra_float_digits a number's. The names are qualified because the session's search_path, which may
-- put another schema before pg_catalog, is still in force here.
SELECT pg_catalog.set_config('token_janitor.has_lock', CASE
           WHEN :'dry_run'::pg_catalog.bool THEN 'true'
           -- 1953128814 spells "tjan": the class of our locks in pg_locks
           ELSE pg_catalog.pg_try_advisory_xact_lock(1953128814, :'oid'::pg_catalog.oid::pg_catalog.int4)::pg_catalog.text
       END, true)::pg_catalog.bool
       AND pg_catalog.bool_and(pg_catalog.set_config(name, value, true) IS NOT NULL),
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8,
       pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) OPERATOR(pg_catalog.=) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
  FROM (VALUES ('token_janitor.path', pg_catalog.current_setting('search_path')), -- for trigger_path.sql
               ('search_path', 'pg_catalog'),
               ('lock_timeout', :'lock_timeout'),
               ('statement_timeout', :'statement_timeout'),
               ('transaction_timeout', '0'), -- a batch has its limits; PostgreSQL 17 would end the session
               ('datestyle', 'ISO, YMD'),
               ('timezone', 'UTC'),
               ('extra_float_digits', '1'),
               ('plan_cache_mode', 'auto'),
               ('enable_indexscan', 'on'),
               ('enable_indexonlyscan', 'on'),
               ('enable_tidscan', 'on'),
               ('enable_nestloop', 'on'),
               ('enable_seqscan', 'off'),
               ('enable_bitmapscan', 'off'),
               ('enable_sort', 'off'),
               ('enable_hashjoin', 'off'),
               ('enable_mergejoin', 'off'),
               ('max_parallel_workers_per_gather', '0'),
               ('jit', 'off')
       ) AS setting (name, value)
 WHERE name OPERATOR(pg_catalog.~) '[.]' OR pg_catalog.current_setting(name, true) IS NOT NULL; -- if this version has it
