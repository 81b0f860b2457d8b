-- Lists where the due rows of a window, or of blocks, lie: for a window that
-- could not be deleted whole, and for the last rows that a budget allows.
--
-- Lock: ACCESS SHARE. Index: as delete.sql.
SELECT tableoid::bigint, ctid::text
  FROM :table
 WHERE current_setting('token_janitor.alone')::boolean
   AND :place
   AND :rule
 LIMIT :'rows'::bigint;
