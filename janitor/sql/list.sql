-- Lists the places of the due rows of a region that cannot be deleted whole, or that may hold more
-- rows than the budget has left.
--
-- Lock: ACCESS SHARE. Index: as delete.sql.
SELECT tableoid::bigint, ctid::text
  FROM :table
 WHERE (:region)
   AND (:rule) IS TRUE
 LIMIT :'rows'::bigint;
