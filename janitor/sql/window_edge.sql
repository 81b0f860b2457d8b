-- Finds the edge of the window that begins at the floor: the key of the row that is :rows rows on. The
-- window [floor, edge) holds at most :rows rows. Without such a row it reaches to :until. A setting of the
-- transaction carries the edge to the statement that follows in the same round trip.
--
-- The ends of the range are sub-selects to hide them from the planner, which otherwise reads both ends of
-- the index each time, for an estimate that decides nothing.
--
-- Lock: ACCESS SHARE. Index: one walk over :rows visible entries of the index on :key, and the dead ones
-- between.
WITH edge AS MATERIALIZED (
    SELECT :key AS at
      FROM :table
     WHERE :key >= (SELECT :'floor':::key_type)
       AND :key < (SELECT CASE WHEN current_setting('token_janitor.has_lock')::boolean THEN :'until':::key_type END)
       AND :partial
     ORDER BY :key
    OFFSET :'rows'::bigint
     LIMIT 1
)
SELECT (SELECT at::text FROM edge),
       set_config('token_janitor.edge', coalesce((SELECT at FROM edge), :'until':::key_type)::text, true);
