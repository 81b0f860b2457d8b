-- Of a table that Citus distributes or replicates: the columns of its primary key with their types, which tell its rows
-- apart, for a ctid is the place of another row on each shard; whether each worker has all rows (repmodel t: two-phase
-- commit); and whether they are distributed by a column (partmethod n: they are not, and have one shard). No row: the
-- table is this server's alone.
--
-- Lock: none on the table. Index: the catalogue's own.
SELECT coalesce(array_agg(attname::text ORDER BY n) FILTER (WHERE attname IS NOT NULL), '{}'),
       coalesce(array_agg(format_type(atttypid, NULL) ORDER BY n) FILTER (WHERE attname IS NOT NULL), '{}'),
       bool_and(repmodel = 't'),
       bool_and(partmethod <> 'n')
  FROM pg_dist_partition
  LEFT JOIN pg_index ON indrelid = logicalrelid AND indisprimary
  LEFT JOIN LATERAL unnest(indkey::smallint[]) WITH ORDINALITY AS k (number, n) ON true
  LEFT JOIN pg_attribute ON attrelid = logicalrelid AND attnum = k.number
 WHERE logicalrelid = :'oid'::oid::regclass
HAVING count(*) > 0;
