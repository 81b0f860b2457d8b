-- How many rows are due from a key on, for how many seconds the oldest of them has been due, and how
-- many rows this read: :rows at most.
--
-- Lock: ACCESS SHARE. Index: one walk over at most :rows entries of the index on :key.
SELECT count(*) FILTER (WHERE (:rule) IS TRUE),
       coalesce(max(CASE
           WHEN :aged = '-infinity' THEN 'Infinity'
           ELSE extract(epoch FROM :cutoff::timestamptz - :aged)::double precision
       END) FILTER (WHERE (:rule) IS TRUE), 0),
       count(*)
  FROM (
    SELECT expires_at, is_revoked, revoked_at
      FROM :table
     WHERE :key >= :'floor'::timestamptz
       AND :key <= :'until'::timestamptz
       AND :partial
     ORDER BY :key
     LIMIT :'rows'::bigint
  ) AS seen;
