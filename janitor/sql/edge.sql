-- Finds where the window that begins at the floor ends: at the key of the row
-- that is :rows rows on.
-- The window is [floor, edge), so it holds at most :rows rows; no such row means
-- that the window reaches to :until. The edge stays in a setting of the transaction for the
-- statement that follows in the same round trip.
--
-- The ends of the range stand in sub-selects to keep them from the planner, which else looks
-- up the ends of the index each time, to guess what it may not decide.
--
-- Lock: ACCESS SHARE. Index: one walk over :rows entries of the index on :key.
WITH edge AS MATERIALIZED (
    SELECT :key AS at
      FROM :table
     WHERE current_setting('token_janitor.alone')::boolean
       AND :key >= (SELECT :'floor'::timestamptz)
       AND :key < (SELECT :'until'::timestamptz)
       AND :cut
     ORDER BY :key
    OFFSET :'rows'::bigint
     LIMIT 1
)
SELECT (SELECT at::text FROM edge),
       set_config('token_janitor.edge', coalesce((SELECT at FROM edge), :'until'::timestamptz)::text, true);
