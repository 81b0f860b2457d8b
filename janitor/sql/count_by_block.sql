-- Counts the due rows of a pass in a range of heap blocks, after a sweep: whether any was missed.
--
-- Lock: ACCESS SHARE. Index: none; a range of heap blocks. IS TRUE hides the keys from the planner.
SELECT count(*)
  FROM :table
 WHERE ctid >= :'first'::tid AND ctid < :'end'::tid
   AND (:key >= :'floor':::key_type AND (:key < :'until':::key_type OR :'until':::key_type = :forever)) IS TRUE
   AND (:rule) IS TRUE;
