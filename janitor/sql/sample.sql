-- How many rows of the walk lie in some blocks of the heap, chosen at random: so many
-- percent of all, whole.
--
-- Lock: ACCESS SHARE. Index: none.
SELECT count(*)
  FROM :table TABLESAMPLE SYSTEM (:'percent'::real)
 WHERE :key >= :'floor'::timestamptz
   AND :key < :'until'::timestamptz
   AND :cut;
