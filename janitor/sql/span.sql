-- The heap blocks between which the rows of one timestamp lie, from both ends of their
-- index entries, which are in heap order. A backward scan takes the entries that were
-- merged into one tuple, some 450 at most, from the front: hence the thousand.
--
-- Lock: ACCESS SHARE. Index: a thousand entries at most of the index on :key.
SELECT (SELECT ctid::text
          FROM :table
         WHERE :key >= :'floor'::timestamptz AND :key <= :'floor'::timestamptz AND :cut
         ORDER BY :key
         LIMIT 1),
       (SELECT max(ctid)::text
          FROM (SELECT ctid
                  FROM :table
                 WHERE :key >= :'floor'::timestamptz AND :key <= :'floor'::timestamptz AND :cut
                 ORDER BY :key DESC
                 LIMIT 1000) AS last);
