-- A piece of family_edges_scanned.sql: all pairs of rows of which one references the other by one of the table's own
-- foreign keys.
--
-- Lock: ACCESS SHARE. Index: none; a hash join (scan_whole.sql).
SELECT t.tableoid, t.ctid, e.part, e.place,
       CASE WHEN (:expired) IS TRUE THEN 'expired' WHEN (:revoked) IS TRUE THEN 'revoked' END
  FROM (SELECT t.tableoid AS part, t.ctid AS place, :columns FROM :table AS t) AS e
  JOIN :referencing AS t ON :matches
