-- A piece of family_edges.sql and family_kept.sql: the rows that reference the row e by one of the table's own foreign keys.
--
-- OFFSET 0 keeps it a sub-select, which follows the index for each e: flattened into a join, it may be
-- planned as all rows against all, where statistics say that most rows reference the same one.
--
-- Lock: ACCESS SHARE. Index: on the referencing columns.
SELECT t.tableoid, t.ctid, e.part, e.place,
       CASE WHEN (:expired) IS TRUE THEN 'expired' WHEN (:revoked) IS TRUE THEN 'revoked' END,
       :columns
  FROM :referencing AS t
 WHERE :matches
OFFSET 0
