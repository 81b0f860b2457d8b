-- Opens a batch and says whether it may work: every setting is local to its
-- transaction, so nothing stays behind on a connection that a pooler lends to others.
--
-- Lock: an advisory one that ends with the transaction; whoever does not get it reads
-- token_janitor.alone = false, and the statements that follow match no row. A dry run
-- (:'dry_run') takes none: it must not send a working janitor away.
--
-- The enable_* settings leave the index, or a range of heap blocks, as the only plan,
-- whatever the table's statistics say. force_custom_plan lets the planner see the
-- values. ISO and UTC make a timestamp's text exact and unambiguous, extra_float_digits a
-- number's.
-- The full names keep a search_path that puts another schema before pg_catalog from
-- having its functions run here, before it is set aside.
SELECT pg_catalog.set_config('token_janitor.alone', CASE
           WHEN :'dry_run'::pg_catalog.bool THEN 'true'
           -- 1953128814 spells "tjan": the class of our locks in pg_locks
           ELSE pg_catalog.pg_try_advisory_xact_lock(1953128814, :'oid'::pg_catalog.oid::pg_catalog.int4)::pg_catalog.text
       END, true)::pg_catalog.bool
       AND pg_catalog.bool_and(pg_catalog.set_config(name, value, true) IS NOT NULL)
  FROM (VALUES ('search_path', 'pg_catalog'),
               ('lock_timeout', :'lock_timeout'),
               ('statement_timeout', :'statement_timeout'),
               ('datestyle', 'ISO, YMD'),
               ('timezone', 'UTC'),
               ('extra_float_digits', '1'),
               ('plan_cache_mode', 'force_custom_plan'),
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
       ) AS setting (name, value);
