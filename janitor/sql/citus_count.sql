-- Counts the rows of some keys that are due.
--
-- Lock: ACCESS SHARE. Index: the primary key's.
SELECT count(*)
  FROM :table
 WHERE :identity
   AND (:rule) IS TRUE;
