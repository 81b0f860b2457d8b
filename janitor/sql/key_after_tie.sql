-- The first key after a tie: where the windows begin again.
--
-- Lock: ACCESS SHARE. Index: one entry of the index on :key.
SELECT (SELECT :key::text
          FROM :table
         WHERE :key > :'floor':::key_type
           AND :key < :'until':::key_type
           AND :partial
         ORDER BY :key
         LIMIT 1);
