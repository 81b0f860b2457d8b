-- Which of the listed rows are still there and due, by either rule, after a batch that had to leave some.
--
-- Lock: ACCESS SHARE. Index: none; each row is fetched by its place (a TID scan).
SELECT t.tableoid::bigint, t.ctid::text
  FROM ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS l (of_part, at_place)
  JOIN :table AS t ON t.ctid = l.at_place AND t.tableoid = l.of_part::oid
 WHERE ((:expired) IS TRUE OR (:revoked) IS TRUE);
