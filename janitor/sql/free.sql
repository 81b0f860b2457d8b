-- Locks those of the listed rows that are still due and that nobody holds, for
-- isolate.sql; says how many were due, and which it got.
--
-- Lock: as take.sql. Index: none; each row is fetched by its place (a TID scan).
WITH listed AS MATERIALIZED (
    SELECT part::oid, place
      FROM ROWS FROM (pg_catalog.unnest(:'parts'::bigint[]), pg_catalog.unnest(:'places'::text[]::tid[])) AS l (part, place)
), due AS MATERIALIZED (
    SELECT 1
      FROM listed
      JOIN :table AS t ON t.ctid = listed.place AND t.tableoid = listed.part
     WHERE :rule
), free AS MATERIALIZED (
    SELECT listed.part, listed.place
      FROM listed
      JOIN :table AS t ON t.ctid = listed.place AND t.tableoid = listed.part
     WHERE current_setting('token_janitor.alone')::boolean
       AND :rule
     :lock
)
SELECT (SELECT count(*) FROM due) AS due,
       (SELECT pg_catalog.array_agg(part::bigint) FROM free) AS parts,
       (SELECT pg_catalog.array_agg(place) FROM free) AS places;
