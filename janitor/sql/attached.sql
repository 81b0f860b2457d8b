-- Before rows are deleted from partitions directly, with locks on them (lock_parts.sql): if one of these was
-- detached meanwhile, its rows are not the table's any more, and the statements of this batch match none.
--
-- Lock: none on the table. Index: the catalogue's own.
SELECT set_config('token_janitor.has_lock', 'false', true)
  FROM unnest(:'parts'::bigint[]) AS part
 WHERE (SELECT bool_or(relid = :'oid'::oid) FROM pg_partition_ancestors(part::oid::regclass)) IS NOT TRUE
    OR EXISTS (SELECT FROM pg_partition_ancestors(part::oid::regclass) JOIN pg_inherits ON inhrelid = relid WHERE inhdetachpending);
