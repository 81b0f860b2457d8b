-- The rows of a window: from its floor to where edge.sql put its edge. As there, the planner
-- is not to see them; but :cut, for an index that holds only such rows.
:key >= (SELECT :'floor'::timestamptz) AND :key < (SELECT current_setting('token_janitor.edge')::timestamptz) AND :cut
