-- The heap blocks between which the rows of one timestamp lie, from both ends of their
-- index entries, which are in heap order. Block numbers of several partitions overlap,
-- so a partitioned table is taken whole, up to its longest partition.
--
-- Lock: ACCESS SHARE. Index: one entry from either end of the index on :key.
SELECT (SELECT ctid::text
          FROM :table
         WHERE NOT partitioned AND :key >= :'floor'::timestamptz AND :key <= :'floor'::timestamptz AND :cut
         ORDER BY :key
         LIMIT 1),
       (SELECT ctid::text
          FROM :table
         WHERE NOT partitioned AND :key >= :'floor'::timestamptz AND :key <= :'floor'::timestamptz AND :cut
         ORDER BY :key DESC
         LIMIT 1),
       CASE WHEN partitioned THEN (
           SELECT coalesce(max(pg_relation_size(relid)), 0) / current_setting('block_size')::bigint
             FROM pg_partition_tree(:'oid'::oid::regclass)
            WHERE isleaf
       ) END
  FROM (SELECT relkind = 'p' AS partitioned FROM pg_class WHERE oid = :'oid'::oid) AS kind;
