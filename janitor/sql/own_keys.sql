-- The table's foreign keys onto itself that refuse a deletion (NO ACTION or RESTRICT), one a row: of the
-- whole table, or of one partition onto another. A key that is not enforced just now has no trigger that
-- is enabled.
--
-- Returns the referencing table, its columns, the columns that they reference and the operator between
-- each two, which partitions are referenced (NULL: all), whether the role may read these columns, and whether
-- an index leads with one of the referencing ones.
--
-- In two steps: the planner tries the orders in which tables may be joined, and of all eight at once that took most of the
-- time in which a run begins.
--
-- Lock: none on the table. Index: the catalogue's own.
WITH RECURSIVE tree (oid) AS (
    SELECT :'oid'::oid
     UNION
    SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
), referenced (root, oid) AS (
    SELECT oid, oid FROM tree
     UNION
    SELECT root, inhrelid FROM pg_inherits JOIN referenced ON inhparent = referenced.oid
), key AS MATERIALIZED (
    SELECT oid, conrelid, confrelid, conkey, confkey, conpfeqop
      FROM pg_constraint
     WHERE contype = 'f'
       AND confdeltype IN ('a', 'r')
       AND conparentid = 0
       AND conrelid IN (SELECT oid FROM tree)
       AND confrelid IN (SELECT oid FROM tree)
       AND EXISTS (SELECT FROM pg_trigger
                    WHERE tgconstraint = pg_constraint.oid AND tgrelid = confrelid AND tgtype & 8 = 8 AND tgenabled <> 'D')
)
SELECT (SELECT nspname::text FROM pg_namespace WHERE oid = relnamespace),
       relname::text,
       array_agg(own.attname::text ORDER BY n),
       array_agg(other.attname::text ORDER BY n),
       array_agg((SELECT format('OPERATOR(%I.%s)', nspname, oprname)
                    FROM pg_operator JOIN pg_namespace ON pg_namespace.oid = oprnamespace
                   WHERE pg_operator.oid = pair.operator) ORDER BY n),
       CASE WHEN confrelid <> :'oid'::oid THEN (SELECT array_agg(oid::bigint) FROM referenced WHERE root = confrelid) END,
       bool_and(has_column_privilege(conrelid, own.attname, 'SELECT') AND has_column_privilege(conrelid, other.attname, 'SELECT')
                AND has_column_privilege(:'oid'::oid, other.attname, 'SELECT')),
       EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid AND indisvalid AND indkey[0] = ANY (conkey))
  FROM key
  JOIN pg_class ON pg_class.oid = conrelid
 CROSS JOIN ROWS FROM (unnest(conkey), unnest(confkey), unnest(conpfeqop)) WITH ORDINALITY AS pair (own, other, operator, n)
  JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = pair.own
  JOIN pg_attribute AS other ON other.attrelid = confrelid AND other.attnum = pair.other
 GROUP BY key.oid, relnamespace, relname, conrelid, confrelid, conkey
 ORDER BY key.oid;
