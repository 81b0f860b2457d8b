-- Counts what delete.sql would delete, for a dry run. The predicate is the same.
--
-- Lock: ACCESS SHARE. Index: as delete.sql.
SELECT count(*)
  FROM :table
 WHERE (:region)
   AND (:rule) IS TRUE;
