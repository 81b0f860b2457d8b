-- Reads listed rows and the rows that reference them by the table's own foreign keys, and those that
-- reference these, and so on: an edge for each reference, and one without a referenced row for each listed
-- row. A row that is not due (its rule is NULL) stays, so what references it does not matter.
--
-- The nearest come first. With :rows edges it is cut off: then the row that the last edge references may
-- have more, and those that no edge references may have some. UNION ends cycles.
--
-- Lock: ACCESS SHARE. Index: one on the referencing columns of each key (where_references.sql); each listed row
-- is fetched by its place (a TID scan).
WITH RECURSIVE edges AS (
    SELECT t.tableoid AS part, t.ctid AS place, NULL::oid AS onto_part, NULL::tid AS onto_place,
           CASE WHEN (:expired) IS TRUE THEN 'expired' WHEN (:revoked) IS TRUE THEN 'revoked' END AS due,
           :columns
      FROM ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS l (of_part, at_place)
      JOIN :table AS t ON t.ctid = l.at_place AND t.tableoid = l.of_part::oid
     WHERE (SELECT current_setting('token_janitor.has_lock')::boolean)
       AND ((:expired) IS TRUE OR (:revoked) IS TRUE)
     UNION
    SELECT referencing.*
      FROM edges AS e
     CROSS JOIN LATERAL (:keys) AS referencing
     WHERE e.due IS NOT NULL
)
SELECT part::bigint, place::text, onto_part::bigint, onto_place::text, due
  FROM edges
 LIMIT :'rows'::bigint;
