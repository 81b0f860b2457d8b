-- Of a row c of pg_class: see effects.sql. An xmin changes with each change of its row.
hashtextextended(concat_ws(' ',
    row_security_active(c.oid),
    (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_trigger WHERE tgrelid = c.oid),
    (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_rewrite WHERE ev_class = c.oid),
    (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_policy WHERE polrelid = c.oid)), 0)
