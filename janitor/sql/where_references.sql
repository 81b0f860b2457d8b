-- A piece of family_edges.sql: the rows that reference the row e by one of the table's own foreign keys.
--
-- Lock: ACCESS SHARE. Index: on the referencing columns.
SELECT t.tableoid, t.ctid, e.part, e.place,
       CASE WHEN (:expired) IS TRUE THEN 'expired' WHEN (:revoked) IS TRUE THEN 'revoked' END,
       :columns
  FROM :referencing AS t
 WHERE :matches
