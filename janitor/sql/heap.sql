-- The table's storage: number of partitions (1 for a plain table), blocks of the largest one, blocks in
-- total, and the file numbers, which change when the table is rewritten.
--
-- Lock: ACCESS SHARE, for the moment that a file's length takes. Index: the catalogue's own.
WITH RECURSIVE tree (oid) AS (
    SELECT :'oid'::oid
     UNION ALL
    SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
)
SELECT count(*),
       coalesce(max(pg_relation_size(pg_class.oid)) / current_setting('block_size')::bigint, 0)::bigint,
       coalesce(sum(pg_relation_size(pg_class.oid)) / current_setting('block_size')::bigint, 0)::bigint,
       coalesce(string_agg(pg_relation_filenode(pg_class.oid)::text, ' ' ORDER BY pg_class.oid), '')
  FROM tree
  JOIN pg_class ON pg_class.oid = tree.oid AND relkind = 'r';
