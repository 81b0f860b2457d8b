-- One step of isolate.sql: deletes rows that lock_listed.sql locked.
--
-- Lock: as delete.sql. Index: none; each row is fetched by its place (a TID scan).
DELETE FROM :table AS t
 USING ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS free (of_part, at_place)
 WHERE t.ctid = free.at_place AND t.tableoid = free.of_part::oid
   AND (:rule) IS TRUE;
