-- The table's storage: for each partition (or the table itself, where it has none) its blocks, its file, which
-- changes when it is rewritten, and whether this role, which reads the columns of these :names, may delete rows
-- from it directly, instead of looking for them in all partitions. From none where one of them all has a
-- statement trigger or a rule for DELETE, or policies for this role: those of the table would be passed by, and
-- those of a partition met.
--
-- Lock: ACCESS SHARE, for the moment that a file's length takes. Index: the catalogue's own.
WITH RECURSIVE tree (oid) AS (
    SELECT :'oid'::oid
     UNION ALL
    SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid AND NOT inhdetachpending
), facts AS (
    SELECT bool_or(row_security_active(c.oid)
                   OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgtype & 9 = 8 AND tgenabled <> 'D') -- DELETE (8), FOR EACH ROW (1) not set
                   OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid AND ev_type = '4')) AS interferes
      FROM tree
      JOIN pg_class AS c ON c.oid = tree.oid
)
SELECT c.oid::bigint,
       (SELECT nspname::text FROM pg_namespace WHERE oid = c.relnamespace),
       c.relname::text,
       coalesce(pg_relation_size(c.oid) / current_setting('block_size')::bigint, 0),
       coalesce(pg_relation_filenode(c.oid), 0)::bigint,
       c.oid = :'oid'::oid
       OR c.relkind = 'r'
          AND c.relispartition
          AND NOT (SELECT interferes FROM facts)
          AND has_schema_privilege(c.relnamespace, 'USAGE')
          AND has_table_privilege(c.oid, 'DELETE')
          AND (has_any_column_privilege(c.oid, 'UPDATE') OR NOT has_any_column_privilege(:'oid'::oid, 'UPDATE'))
          AND (SELECT bool_and(has_column_privilege(c.oid, name, 'SELECT')) FROM unnest(:'names'::text[]) AS name)
  FROM tree
 CROSS JOIN LATERAL (SELECT * FROM pg_class WHERE oid = tree.oid OFFSET 0) AS c -- from the tree, not from all of pg_class
 WHERE c.relkind IN ('r', 'f')
 ORDER BY c.oid;
