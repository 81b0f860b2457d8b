-- The median of an integer column that counts from 1970, in a random sample of the heap's blocks, :percent of
-- them. Values that never expire are left out.
--
-- Lock: ACCESS SHARE. Index: none.
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY :column)::bigint
  FROM :table TABLESAMPLE SYSTEM (:'percent'::real)
 WHERE :column > 0;
