-- The rows of a window: from its floor to where edge.sql put its edge.
:key >= :'floor'::timestamptz AND :key < current_setting('token_janitor.edge')::timestamptz
