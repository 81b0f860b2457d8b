-- One step of isolate.sql: deletes rows that lock_listed.sql locked.
--
-- Lock: as delete.sql. Index: none; each row is fetched by its place (a TID scan).
DELETE FROM :table AS t
 USING ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS free (part, place)
 WHERE t.ctid = free.place AND t.tableoid = free.part::oid
   AND (:rule) IS TRUE;
