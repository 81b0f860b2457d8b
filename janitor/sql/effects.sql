-- What acts on a DELETE from the table, and from each of its partitions, as a number that changes with it:
-- the columns that the rules read and their types, whether policies apply to this role, whether tables inherit from it,
-- the triggers, which foreign keys are as well, the rules, the policies. The same of each table that a foreign key
-- takes the deletion to, and of those that it goes on to from there: a key that is added between two others may lead
-- back to the tokens. Whether it is the table or a partition of it comes first.
--
-- Lock: none on the table. Index: the catalogue's own.
WITH RECURSIVE acting AS MATERIALIZED (
    SELECT confrelid, conrelid
      FROM pg_constraint
     WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
), tree (oid, own) AS (
    SELECT :'oid'::oid, true
     UNION
    SELECT next.*
      FROM tree
     CROSS JOIN LATERAL (SELECT inhrelid, own FROM pg_inherits WHERE inhparent = tree.oid
                          UNION ALL
                         SELECT conrelid, false FROM acting WHERE confrelid = tree.oid) AS next
)
SELECT own, c.oid::bigint, :mark
  FROM (SELECT oid, bool_or(own) AS own FROM tree GROUP BY oid) AS reached
  JOIN pg_class AS c ON c.oid = reached.oid;
