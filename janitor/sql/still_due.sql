-- Counts the listed rows that are still due at the end of a batch that tried to delete them: a trigger kept them, as
-- they are or moved, or they are locked. The others it has changed. A role that may read columns only is not told where
-- a row went.
--
-- Lock: ACCESS SHARE. Index: none; each row is fetched by its place (a TID scan).
SELECT count(*)
  FROM ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS l (of_part, at_place)
 CROSS JOIN LATERAL (SELECT CASE WHEN has_table_privilege(l.of_part::oid, 'SELECT')
                                 THEN pg_catalog.currtid2(l.of_part::oid::regclass::text, l.at_place) ELSE l.at_place END) AS now (at_place)
  JOIN :table AS t ON t.ctid = now.at_place AND t.tableoid = l.of_part::oid
 WHERE (:rule) IS TRUE;
