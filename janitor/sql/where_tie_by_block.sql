-- The rows of one key in a range of heap blocks, as in where_blocks.sql. IS TRUE hides the key from the planner: this is
-- to avoid its index entries.
(:key = :'floor':::key_type) IS TRUE
   AND ctid >= :'first'::tid
   AND ctid < (SELECT CASE WHEN current_setting('token_janitor.has_lock')::boolean THEN :'end'::tid END)
   AND :of_part
