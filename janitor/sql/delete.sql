-- Deletes the due rows of a region: a window, the rows of one key, or a range of heap blocks.
--
-- Lock: ROW EXCLUSIVE on the table, FOR UPDATE on each deleted row, until the batch commits. PostgreSQL
-- evaluates the rule again for a row that another transaction has changed meanwhile: a row that is no
-- longer due stays.
-- Index: a range of the index on :key, or none for a range of heap blocks.
--
-- IS TRUE hides the rule from the planner. Otherwise it might follow an index on one of the rule's
-- columns where old statistics promise few rows; the region alone must choose the plan.
DELETE FROM :table
 WHERE (:region)
   AND (:rule) IS TRUE;
