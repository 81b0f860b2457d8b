-- Counts the due rows of a pass in a range of heap blocks, after a sweep: whether any was missed.
--
-- Lock: ACCESS SHARE. Index: none; a range of heap blocks. IS TRUE hides the keys from the planner.
SELECT count(*)
  FROM :table
 WHERE ctid >= :'first'::tid AND ctid < :'end'::tid
   AND (:key >= :'floor'::timestamptz AND (:key < :'until'::timestamptz OR :'until'::timestamptz = 'infinity')) IS TRUE
   AND (:rule) IS TRUE;
