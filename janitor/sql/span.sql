-- The rows of one timestamp: how many they are, counted to :rows; the heap blocks between
-- which they lie, from both ends of their index entries; and whether these are in heap order,
-- as in an index on :key alone. A scan against an index's own order takes the entries that
-- were merged into one tuple, some 450 at most, from the front: hence the thousand.
--
-- Lock: ACCESS SHARE. Index: :rows entries and two thousand at most of the index on :key.
WITH ends AS MATERIALIZED (
    (SELECT ctid
       FROM :table
      WHERE :key >= :'floor'::timestamptz AND :key <= :'floor'::timestamptz AND :cut
      ORDER BY :key
      LIMIT 1000)
     UNION ALL
    (SELECT ctid
       FROM :table
      WHERE :key >= :'floor'::timestamptz AND :key <= :'floor'::timestamptz AND :cut
      ORDER BY :key DESC
      LIMIT 1000)
)
SELECT (SELECT count(*)
          FROM (SELECT
                  FROM :table
                 WHERE :key >= (SELECT :'floor'::timestamptz) AND :key <= (SELECT :'floor'::timestamptz) AND :cut
                 LIMIT :'rows'::bigint) AS counted),
       (SELECT min(ctid)::text FROM ends),
       (SELECT max(ctid)::text FROM ends),
       NOT EXISTS (SELECT
                     FROM pg_index
                     JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                    WHERE indrelid = :'oid'::oid AND attname = :'key' AND indnkeyatts > 1);
