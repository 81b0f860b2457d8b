-- The rows of one key: how many there are, counted up to :rows; the range of heap blocks that holds
-- them, from both ends of their index entries; and whether these entries are in heap order, as in an
-- index on :key alone, but not if another column of the index, before or after it, orders them. A
-- backward scan reads the entries of a posting list, some 450 at most, from its front: hence the thousand.
--
-- Lock: ACCESS SHARE. Index: :rows visible entries and two thousand at most of the index on :key, and the
-- dead ones between.
WITH ends AS MATERIALIZED (
    (SELECT ctid
       FROM :table
      WHERE :key >= :'floor':::key_type AND :key <= :'floor':::key_type AND :partial
      ORDER BY :key
      LIMIT 1000)
     UNION ALL
    (SELECT ctid
       FROM :table
      WHERE :key >= :'floor':::key_type AND :key <= :'floor':::key_type AND :partial
      ORDER BY :key DESC
      LIMIT 1000)
)
SELECT (SELECT count(*)
          FROM (SELECT
                  FROM :table
                 WHERE :key >= (SELECT :'floor':::key_type) AND :key <= (SELECT :'floor':::key_type) AND :partial
                 LIMIT :'rows'::bigint) AS counted),
       (SELECT min(ctid)::text FROM ends),
       (SELECT max(ctid)::text FROM ends),
       NOT EXISTS (SELECT
                     FROM pg_index
                     JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
                    WHERE indrelid = :'oid'::oid AND attname = :'key' AND indnkeyatts > 1);
