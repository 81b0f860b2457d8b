-- The first key after a tie: where the windows begin again.
--
-- Lock: ACCESS SHARE. Index: one entry of the index on :key.
SELECT (SELECT :key::text
          FROM :table
         WHERE :key > :'floor'::timestamptz
           AND :key < :'until'::timestamptz
           AND :partial
         ORDER BY :key
         LIMIT 1);
