-- Finds the edge of a window as window_edge.sql does, but among :'edges', of which it takes the last before which there
-- are no more than :rows rows. Each shard counts its rows between them, while the rows of an ordered LIMIT all come to
-- the coordinator, as many from each shard as the window may hold. The window is empty if none of the edges will do.
--
-- Lock: ACCESS SHARE. Index: one walk over the entries of the index on :key from the floor to the last of the edges.
WITH counted AS MATERIALIZED (
    SELECT width_bucket(:key, (SELECT :'edges':::key_type[])) AS bucket, count(*) AS rows
      FROM :table
     WHERE (SELECT current_setting('token_janitor.has_lock')::boolean)
       AND :key >= (SELECT :'floor':::key_type)
       AND :key < (SELECT :'last':::key_type)
       AND :partial
     GROUP BY 1
), edge AS MATERIALIZED (
    SELECT coalesce(max(at), :'floor':::key_type) AS at
      FROM unnest(:'edges':::key_type[]) WITH ORDINALITY AS edges (at, n)
     WHERE (SELECT coalesce(sum(rows), 0) FROM counted WHERE bucket < n) <= :'rows'::bigint
)
SELECT (SELECT nullif(at, :'until':::key_type)::text FROM edge),
       (SELECT set_config('token_janitor.edge', at::text, true) FROM edge);
