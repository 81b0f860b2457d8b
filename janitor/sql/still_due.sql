-- Counts the listed rows that are still due at their places, at the end of a batch that tried to delete them: a
-- trigger kept them as they are, or they are locked. The others it has changed.
--
-- Lock: ACCESS SHARE. Index: none; each row is fetched by its place (a TID scan).
SELECT count(*)
  FROM ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS l (of_part, at_place)
  JOIN :table AS t ON t.ctid = l.at_place AND t.tableoid = l.of_part::oid
 WHERE (:rule) IS TRUE;
