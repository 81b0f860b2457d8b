-- The median of the first values along the index on :column, where a sample of the heap met none.
--
-- Lock: ACCESS SHARE. Index: a thousand entries of the index on :column.
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY first.at)::bigint
  FROM (SELECT :column AS at
          FROM :table
         WHERE :column > 0
         ORDER BY :column
         LIMIT 1000) AS first;
