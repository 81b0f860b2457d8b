-- About how many rows are due from the floor on: the server's plan tells, and nothing is
-- read. Without :cut, which the planner would count twice: what was revoked has a
-- revoked_at, and nothing else has.
--
-- Lock: ACCESS SHARE. Index: none.
EXPLAIN (FORMAT JSON)
SELECT
  FROM :table
 WHERE :key >= :'floor'::timestamptz
   AND :key < :'until'::timestamptz;
