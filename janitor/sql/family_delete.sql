-- Deletes listed rows of families that are still due, by either rule, and returns how many by each. It
-- waits for a row that is locked.
--
-- Lock: as delete.sql. Index: none; each row is fetched by its place (a TID scan).
WITH deleted AS (
    DELETE FROM :table AS t
     USING ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS l (of_part, at_place)
     WHERE t.ctid = l.at_place AND t.tableoid = l.of_part::oid
       AND (SELECT current_setting('token_janitor.has_lock')::boolean)
       AND ((:expired) IS TRUE OR (:revoked) IS TRUE)
    RETURNING (:expired) IS TRUE AS expired
)
SELECT count(*) FILTER (WHERE expired), count(*) FILTER (WHERE NOT expired) FROM deleted;
