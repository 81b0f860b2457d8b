-- Ends a batch, and a look at rows: an error, which undoes it, if another table has the name, or what acts on a DELETE is
-- not what it was when the run looked (effects.sql), as a foreign key is that cascades to tokens of use, a column whose
-- times are now of another zone, or a policy that hides those that are due. A batch that deletes holds its locks by now,
-- so nobody can change it before the commit, nor a table that a foreign key has taken a deletion to. A partition that is
-- dropped or detached is not the table's any more.
--
-- Lock: none on the table. Index: the catalogue's own.
SELECT (CASE WHEN pg_catalog.to_regclass(:'table') = :'oid'::oid
                  AND bool_and(:mark = known.mark) IS NOT FALSE THEN 'true' ELSE 'token_janitor.effects' END)::boolean
  FROM ROWS FROM (pg_catalog.unnest(:'parts'::bool[]), pg_catalog.unnest(:'oids'::bigint[]), pg_catalog.unnest(:'marks'::bigint[])) AS known (part, oid, mark)
  JOIN pg_class AS c ON c.oid = known.oid::oid
 WHERE c.relispartition OR NOT part;
