-- The columns of the table and their types.
--
-- Lock: none on the table. Index: the catalogue's own.
SELECT attname::text, format_type(atttypid, NULL)
  FROM pg_attribute
 WHERE attrelid = :'oid'::oid AND attnum > 0 AND NOT attisdropped;
