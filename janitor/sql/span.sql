-- The heap blocks between which the rows of one timestamp lie, from both ends of their
-- index entries, which are in heap order. A backward scan takes the entries that were
-- merged into one tuple, some 450 at most, from the front: hence the thousand. Block
-- numbers of several partitions overlap, so a partitioned table is taken whole, up to
-- its longest partition.
--
-- Lock: ACCESS SHARE. Index: a thousand entries at most of the index on :key.
SELECT (SELECT ctid::text
          FROM :table
         WHERE NOT partitioned AND :key >= :'floor'::timestamptz AND :key <= :'floor'::timestamptz AND :cut
         ORDER BY :key
         LIMIT 1),
       (SELECT max(ctid)::text
          FROM (SELECT ctid
                  FROM :table
                 WHERE NOT partitioned AND :key >= :'floor'::timestamptz AND :key <= :'floor'::timestamptz AND :cut
                 ORDER BY :key DESC
                 LIMIT 1000) AS last),
       leaves,
       longest / current_setting('block_size')::bigint
  FROM (SELECT coalesce(bool_or(NOT isleaf), false) AS partitioned, -- no row: an ordinary table
               greatest(count(*) FILTER (WHERE isleaf), 1) AS leaves,
               coalesce(max(pg_relation_size(relid)) FILTER (WHERE isleaf), 0) AS longest
          FROM pg_partition_tree(:'oid'::oid::regclass)) AS tree;
