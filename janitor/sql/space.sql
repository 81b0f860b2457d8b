-- What the table takes, and how much of it vacuum has yet to make usable again: of all its
-- partitions together. Every role may ask.
--
-- A session tells the statistics once a second at most what it did; what this one has not
-- told yet is in pg_stat_get_xact_tuples_deleted.
--
-- Lock: ACCESS SHARE on each partition and its indexes. Index: none.
SELECT greatest(sum(pg_stat_get_live_tuples(part) - pg_stat_get_xact_tuples_deleted(part)), 0)::bigint,
       sum(pg_stat_get_dead_tuples(part) + pg_stat_get_xact_tuples_deleted(part))::bigint,
       sum(pg_table_size(part))::bigint,
       sum(pg_indexes_size(part))::bigint,
       max(greatest(pg_stat_get_last_vacuum_time(part), pg_stat_get_last_autovacuum_time(part)))
  FROM (SELECT relid AS part FROM pg_partition_tree(:'oid'::oid::regclass)
         UNION
        SELECT :'oid'::oid) AS tree;
