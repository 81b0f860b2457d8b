-- Locks those of the listed rows that are still due and that nobody holds, for isolate.sql. Returns how
-- many were due, and the places of those it locked.
--
-- Lock: as delete_listed.sql. Index: none; each row is fetched by its place (a TID scan).
WITH listed AS MATERIALIZED (
    SELECT of_part::oid, at_place
      FROM ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS l (of_part, at_place)
), due AS MATERIALIZED (
    SELECT 1
      FROM listed
      JOIN :table AS t ON t.ctid = listed.at_place AND t.tableoid = listed.of_part
     WHERE (SELECT current_setting('token_janitor.has_lock')::boolean)
       AND (:rule) IS TRUE
), free AS MATERIALIZED (
    SELECT listed.of_part, listed.at_place
      FROM listed
      JOIN :table AS t ON t.ctid = listed.at_place AND t.tableoid = listed.of_part
     WHERE (SELECT current_setting('token_janitor.has_lock')::boolean)
       AND (:rule) IS TRUE
     :lock
)
SELECT (SELECT count(*) FROM due) AS due,
       (SELECT pg_catalog.array_agg(of_part::bigint) FROM free) AS parts,
       (SELECT pg_catalog.array_agg(at_place) FROM free) AS places;
