-- The rows of a window: from its floor to the edge that window_edge.sql found. Sub-selects for the reason
-- given there; without the lock the range is empty (where_blocks.sql). The condition :partial is in plain sight, so that
-- an index of such rows alone serves.
:key >= (SELECT :'floor':::key_type)
   AND :key < (SELECT CASE WHEN current_setting('token_janitor.has_lock')::boolean THEN current_setting('token_janitor.edge'):::key_type END)
   AND :partial
