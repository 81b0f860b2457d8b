-- From when to when what is due expired, or was revoked: of a dry run.
--
-- Lock: ACCESS SHARE. Index: where the walk follows the column that its rule compares, the
-- two ends of the index on it; else one walk over what the pass looks at.
SELECT min(:aged)::text, max(:aged)::text
  FROM :table
 WHERE :key >= :'floor'::timestamptz
   AND :key <= :'until'::timestamptz
   AND :cut
   AND :rule;
