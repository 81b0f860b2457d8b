-- Reads which listed rows are referenced, by the table's own foreign keys, by which other rows: those that
-- are not due (their rule is NULL), or are due as well. One step of family_edges.sql, not all.
--
-- Lock: ACCESS SHARE. Index: as family_edges.sql.
SELECT e.part::bigint, e.place::text, referencing.part::bigint, referencing.place::text, referencing.due
  FROM (SELECT t.tableoid AS part, t.ctid AS place, :columns
          FROM ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS l (of_part, at_place)
          JOIN :table AS t ON t.ctid = l.at_place AND t.tableoid = l.of_part::oid
         WHERE (SELECT current_setting('token_janitor.has_lock')::boolean)
           AND ((:expired) IS TRUE OR (:revoked) IS TRUE)) AS e
 CROSS JOIN LATERAL (:keys) AS referencing (part, place, onto_part, onto_place, due)
 LIMIT :'rows'::bigint;
