-- Of a row c of pg_class: see effects.sql. An xmin changes with each change of its row.
hashtextextended(concat_ws(' ',
    (SELECT string_agg(concat_ws(' ', attnum, atttypid, atttypmod, attname), ',' ORDER BY attnum)
       FROM pg_attribute WHERE attrelid = c.oid AND attname = ANY (:'columns'::text[])),
    row_security_active(c.oid), c.relkind <> 'p' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
    (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_trigger WHERE tgrelid = c.oid),
    (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_rewrite WHERE ev_class = c.oid),
    (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_policy WHERE polrelid = c.oid)), 0)
