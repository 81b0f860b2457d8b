-- The first key after a timestamp: where the walk goes on behind a tie.
--
-- Lock: ACCESS SHARE. Index: one entry of the index on :key.
SELECT (SELECT :key::text
          FROM :table
         WHERE :key > :'floor'::timestamptz
           AND :key < :'until'::timestamptz
           AND :cut
         ORDER BY :key
         LIMIT 1);
