-- Deletes the listed rows that are still due and that nobody holds; says how many of
-- them were due, how many of these nobody held, and how many went: a trigger may keep
-- some. The row at a place may be another by now, so the rule is asked again of each.
--
-- Lock: FOR UPDATE on each row that goes, passing over those that are locked (:lock;
-- empty where the role or the engine does not grant it: then the DELETE itself waits).
-- Index: none; each row is fetched by its place (a TID scan).
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
), gone AS (
    DELETE FROM :table AS t
     USING free
     WHERE t.ctid = free.place AND t.tableoid = free.part
       AND :rule
    RETURNING 1
)
SELECT (SELECT count(*) FROM due) AS due,
       (SELECT count(*) FROM free) AS free,
       (SELECT count(*) FROM gone) AS gone;
