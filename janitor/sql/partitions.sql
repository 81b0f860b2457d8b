-- The partitions in which this role may delete rows by their place, instead of looking for each place in all
-- of them. Not where the table itself has a statement trigger for DELETE, which would not fire: then none.
--
-- Lock: none on the table. Index: the catalogue's own.
SELECT c.oid::bigint, n.nspname::text, c.relname::text
  FROM pg_partition_tree(:'oid'::oid::regclass) AS tree
  JOIN pg_class AS c ON c.oid = tree.relid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE tree.isleaf
   AND c.oid <> :'oid'::oid
   AND c.relkind = 'r'
   AND NOT c.relrowsecurity
   AND has_schema_privilege(n.oid, 'USAGE')
   AND has_table_privilege(c.oid, 'DELETE')
   AND has_table_privilege(c.oid, 'SELECT')
   -- 9: DELETE (8), FOR EACH ROW (1) not set
   AND NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgrelid IN (SELECT relid FROM pg_partition_tree(:'oid'::oid::regclass) WHERE NOT isleaf)
                      AND tgtype & 9 = 8 AND tgenabled <> 'D');
