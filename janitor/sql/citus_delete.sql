-- Deletes the rows of some keys that are still due. It waits for a row that is locked: Citus refuses to skip it.
--
-- Lock: as delete.sql. Index: the primary key's.
DELETE FROM :table
 WHERE (SELECT current_setting('token_janitor.has_lock')::boolean)
   AND :identity
   AND (:rule) IS TRUE;
