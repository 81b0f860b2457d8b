-- Deletes what is due in the window, or in blocks of a tie or a sweep.
--
-- Lock: ROW EXCLUSIVE on the table, FOR UPDATE on each row that goes, to the end of
-- the batch. A row that another transaction changes meanwhile is looked at again
-- once that commits, and stays if it is no longer due.
-- Index: a range of the index on :key, or (tie, sweep) a range of heap blocks.
DELETE FROM :table
 WHERE current_setting('token_janitor.alone')::boolean
   AND :place
   AND :rule;
