-- How many rows are due from a key on, for how many seconds the oldest of them has been due, and how
-- many rows this read: :rows at most.
--
-- Lock: ACCESS SHARE. Index: one walk over at most :rows entries of the index on :key.
SELECT count(*) FILTER (WHERE (:rule) IS TRUE),
       coalesce(max(CASE
           WHEN :infinite THEN 'Infinity'
           ELSE extract(epoch FROM :cutoff::timestamptz - :instant)::double precision
       END) FILTER (WHERE (:rule) IS TRUE), 0),
       count(*)
  FROM (
    SELECT :read
      FROM :table
     WHERE :key >= :'floor':::key_type
       AND :key <= :'until':::key_type
       AND :partial
     ORDER BY :key
     LIMIT :'rows'::bigint
  ) AS seen;
