-- The rows of one key, along the index. Sub-selects for the reason given in window_edge.sql; without the lock the range
-- is empty (where_blocks.sql).
:key >= (SELECT :'floor':::key_type)
   AND :key <= (SELECT CASE WHEN current_setting('token_janitor.has_lock')::boolean THEN :'floor':::key_type END)
   AND :partial
