-- Counts the rows in a range of heap blocks that are due, by each rule: whether any was missed.
--
-- Lock: ACCESS SHARE. Index: none; a range of heap blocks.
SELECT count(*) FILTER (WHERE (:expired) IS TRUE), count(*) FILTER (WHERE (:revoked) IS TRUE)
  FROM :table
 WHERE ctid >= :'first'::tid AND ctid < :'end'::tid AND :of_part;
