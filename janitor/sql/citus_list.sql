-- Lists the keys of the due rows of a region, as list.sql lists their places.
--
-- Lock: ACCESS SHARE. Index: as delete.sql.
SELECT ARRAY[:identity]::text[]
  FROM :table
 WHERE (SELECT current_setting('token_janitor.has_lock')::boolean)
   AND (:region)
   AND (:rule) IS TRUE
 LIMIT :'rows'::bigint;
