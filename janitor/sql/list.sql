-- Lists the places of the due rows of a region that cannot be deleted whole, or that may hold more
-- rows than the budget has left.
--
-- Lock: ACCESS SHARE. Index: as delete.sql.
SELECT tableoid::bigint, ctid::text
  FROM :table
 WHERE (SELECT current_setting('token_janitor.has_lock')::boolean)
   AND (:region)
   AND (:rule) IS TRUE
 LIMIT :'rows'::bigint;
