-- What the table takes, and how much of it vacuum has yet to make usable again: of all its
-- partitions together. Every role may ask.
--
-- A session tells the statistics once a second at most what it did; what this one has not
-- told yet is in pg_stat_get_xact_tuples_deleted.
--
-- A server forgets its statistics in a crash, a failover or a restore, and counts from zero then: no vacuum
-- and no ANALYZE since, and fewer rows inserted than the catalogue holds. Then the catalogue tells of the
-- rows, as of the last VACUUM or ANALYZE, and nobody of the dead ones (NULL).
--
-- Lock: ACCESS SHARE on each partition and its indexes. Index: none.
SELECT CASE WHEN bool_and(NOT forgot OR reltuples > 0)
            THEN sum(CASE WHEN forgot THEN greatest(reltuples + inserted - deleted, 0)
                          ELSE greatest(live - untold, 0) END)::bigint END,
       CASE WHEN NOT bool_or(forgot) THEN sum(dead + untold)::bigint END,
       sum(pg_table_size(part))::bigint,
       sum(pg_indexes_size(part))::bigint,
       max(vacuumed),
       bool_or(forgot)
  FROM (SELECT part,
               c.reltuples::float8 AS reltuples,
               pg_stat_get_live_tuples(part) AS live,
               pg_stat_get_dead_tuples(part) AS dead,
               pg_stat_get_tuples_inserted(part) AS inserted,
               pg_stat_get_tuples_deleted(part) + pg_stat_get_xact_tuples_deleted(part) AS deleted,
               pg_stat_get_xact_tuples_deleted(part) AS untold,
               vacuumed,
               vacuumed IS NULL AND pg_stat_get_last_analyze_time(part) IS NULL AND pg_stat_get_last_autoanalyze_time(part) IS NULL
               AND c.relkind = 'r'
               AND CASE WHEN c.reltuples > 0 THEN c.reltuples > pg_stat_get_tuples_inserted(part)
                        ELSE pg_relation_size(part) > 0 AND pg_stat_get_tuples_inserted(part) = 0 END AS forgot
          FROM (SELECT relid::oid AS part FROM pg_partition_tree(:'oid'::oid::regclass)
                 UNION
                SELECT :'oid'::oid) AS tree
          JOIN pg_class AS c ON c.oid = part
         CROSS JOIN LATERAL greatest(pg_stat_get_last_vacuum_time(part), pg_stat_get_last_autovacuum_time(part)) AS vacuumed) AS parts;
