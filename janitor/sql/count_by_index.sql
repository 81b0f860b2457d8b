-- Counts the due rows of a pass, up to :rows, along the index: whether any was missed.
--
-- The 1 is for Citus, which has no use for rows without columns.
--
-- Lock: ACCESS SHARE. Index: one walk over what is left between :floor and :until, dead entries included.
SELECT count(*)
  FROM (SELECT 1
          FROM :table
         WHERE :key >= (SELECT :'floor':::key_type) AND :key <= (SELECT :'until':::key_type) AND :partial
           AND (:rule) IS TRUE
         LIMIT :'rows'::bigint) AS due;
