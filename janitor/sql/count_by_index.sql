-- Counts the due rows of a pass, up to :rows, along the index: whether any was missed.
--
-- Lock: ACCESS SHARE. Index: one walk over what is left between :floor and :until, dead entries included.
SELECT count(*)
  FROM (SELECT
          FROM :table
         WHERE :key >= (SELECT :'floor':::key_type) AND :key <= (SELECT :'until':::key_type) AND :partial
           AND (:rule) IS TRUE
         LIMIT :'rows'::bigint) AS due;
