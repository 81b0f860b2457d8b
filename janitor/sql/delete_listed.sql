-- Deletes the listed rows that are still due and not locked. Returns how many were due, how many of
-- those it could lock, and how many it deleted: a trigger may keep some. A place may hold another row
-- by now, so the rule is evaluated again for each.
--
-- Lock: FOR UPDATE on each deleted row, skipping locked rows (:lock). :lock is empty where the role or
-- the server does not allow that; then the DELETE waits for lock_timeout.
-- Index: none; each row is fetched by its place (a TID scan).
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
), deleted AS (
    DELETE FROM :table AS t
     USING free
     WHERE t.ctid = free.at_place AND t.tableoid = free.of_part
       AND (:rule) IS TRUE
    RETURNING 1
)
SELECT (SELECT count(*) FROM due) AS due,
       (SELECT count(*) FROM free) AS free,
       (SELECT count(*) FROM deleted) AS deleted;
