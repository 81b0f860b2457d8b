-- Reads all edges of the table, and one without a referenced row for each listed row that is due: what family_edges.sql
-- chooses from, where a key has no index, by one look at the table and not one for each row.
--
-- Lock: ACCESS SHARE. Index: none; hash joins (scan_whole.sql). Each listed row is fetched by its place.
SELECT part::bigint, place::text, onto_part::bigint, onto_place::text, due
  FROM (SELECT t.tableoid, t.ctid, NULL::oid, NULL::tid,
               CASE WHEN (:expired) IS TRUE THEN 'expired' WHEN (:revoked) IS TRUE THEN 'revoked' END
          FROM ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS l (of_part, at_place)
          JOIN :table AS t ON t.ctid = l.at_place AND t.tableoid = l.of_part::oid
         WHERE (SELECT current_setting('token_janitor.has_lock')::boolean)
           AND ((:expired) IS TRUE OR (:revoked) IS TRUE)
         UNION ALL
        :links) AS edge (part, place, onto_part, onto_place, due);
