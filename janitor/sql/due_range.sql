-- The oldest and the newest expiry, or revocation, among the due rows: for a dry run.
--
-- Lock: ACCESS SHARE. Index: both ends of the index where the pass follows the column that its rule
-- compares; otherwise one walk over all that the pass reads.
SELECT min(:aged)::text, max(:aged)::text
  FROM :table
 WHERE :key >= :'floor'::timestamptz
   AND :key <= :'until'::timestamptz
   AND :partial
   AND (:rule) IS TRUE;
