-- The oldest and the newest expiry, or revocation, among the due rows: for a dry run.
--
-- Lock: ACCESS SHARE. Index: both ends of the index where the pass follows the column that its rule
-- compares; otherwise one walk over all that the pass reads.
SELECT :oldest::text, :newest::text
  FROM :table
 WHERE :key >= :'floor':::key_type
   AND :key <= :'until':::key_type
   AND :partial
   AND (:rule) IS TRUE;
