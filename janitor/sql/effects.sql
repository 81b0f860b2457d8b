-- What acts on a DELETE from the table, and from each of its partitions, as a number that changes with it:
-- the columns that the rules read and their types, whether policies apply to this role, whether tables inherit from it,
-- the triggers, which foreign keys are as well, the rules, the policies.
--
-- Lock: none on the table. Index: the catalogue's own.
WITH RECURSIVE tree (oid) AS (
    SELECT :'oid'::oid
     UNION ALL
    SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
)
SELECT c.oid::bigint, :mark
  FROM tree
  JOIN pg_class AS c ON c.oid = tree.oid;
