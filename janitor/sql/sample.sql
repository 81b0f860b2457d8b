-- How many rows of the pass lie in a random sample of the heap's blocks, :percent of them.
--
-- Lock: ACCESS SHARE. Index: none.
SELECT count(*)
  FROM :table TABLESAMPLE SYSTEM (:'percent'::real)
 WHERE :key >= :'floor':::key_type
   AND :key < :'until':::key_type
   AND :partial;
