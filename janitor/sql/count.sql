-- Counts what delete.sql would delete: the dry run's stand-in, with the same predicate.
--
-- Lock: ACCESS SHARE. Index: as delete.sql.
SELECT count(*)
  FROM :table
 WHERE current_setting('token_janitor.alone')::boolean
   AND :place
   AND :rule;
