-- About how many rows are due from the floor on, by the planner's estimate: no row is read. Without the
-- condition is_revoked, which the planner would count twice: revoked rows, and only they, have a
-- revoked_at.
--
-- Lock: ACCESS SHARE. Index: none.
EXPLAIN (FORMAT JSON)
SELECT
  FROM :table
 WHERE :key >= :'floor':::key_type
   AND :key < :'until':::key_type;
