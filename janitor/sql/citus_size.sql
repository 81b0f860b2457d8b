-- What the shards of a table take, in bytes: without their indexes, and with them. The coordinator's own table is empty.
--
-- Lock: ACCESS SHARE on each shard. Index: none.
SELECT citus_table_size(:'oid'::oid::regclass), citus_total_relation_size(:'oid'::oid::regclass);
