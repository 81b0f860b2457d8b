-- The foreign keys for which a DELETE reads the referring table whole: a row for each that has no index to find what
-- refers to a row that goes, with the statement that makes one. $1 are the oids of the tables that rows are deleted from:
-- of the tokens, and of what goes with them. Run after begin.sql.
-- Locks: ACCESS SHARE on system catalogs.
WITH RECURSIVE copy(root, oid) AS ( -- as in foreign_keys.sql
    SELECT oid, oid FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
    UNION ALL
    SELECT copy.root, c.oid FROM copy JOIN pg_constraint c ON c.conparentid = copy.oid AND c.contype = 'f'
), deleted AS (
    SELECT d.oid::oid AS oid FROM unnest($1::bigint[]) AS d(oid)
    UNION
    SELECT t.relid::oid FROM unnest($1::bigint[]) AS d(oid) CROSS JOIN LATERAL pg_partition_tree(d.oid::oid) AS t
), asked AS ( -- whichever the action, a trigger looks for rows that refer
    SELECT DISTINCT r.oid, r.conname, r.conrelid, r.conkey
    FROM copy
    JOIN pg_constraint c ON c.oid = copy.oid
    JOIN pg_constraint r ON r.oid = copy.root
    JOIN pg_trigger t ON t.tgconstraint = c.oid AND t.tgrelid = c.confrelid AND t.tgtype & 8 <> 0
    JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname ~ '^RI_FKey_[a-z]+_del$'
    WHERE c.confrelid IN (SELECT oid FROM deleted)
      AND t.tgenabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)
), leaf AS ( -- the tables that hold the referring rows, and the names of the key's columns, which partitions may number otherwise
    SELECT a.oid, a.conrelid, l.relid, n.names, n.quoted
    FROM asked a
    CROSS JOIN LATERAL (SELECT array_agg(c.attname ORDER BY k.ord) AS names,
                               array_agg(quote_ident(c.attname) ORDER BY k.ord) AS quoted
                        FROM unnest(a.conkey) WITH ORDINALITY AS k(num, ord)
                        JOIN pg_attribute c ON c.attrelid = a.conrelid AND c.attnum = k.num) AS n
    CROSS JOIN LATERAL (SELECT a.conrelid AS relid UNION SELECT t.relid::oid FROM pg_partition_tree(a.conrelid) AS t) AS l
    JOIN pg_class c ON c.oid = l.relid AND c.relkind = 'r'
), bare AS (
    SELECT l.oid, l.quoted, count(*) AS leaves
    FROM leaf l
    WHERE NOT EXISTS (
        SELECT FROM pg_index x
        JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_am am ON am.oid = i.relam AND am.amname IN ('btree', 'hash')
        WHERE x.indrelid = l.relid AND x.indisvalid AND x.indisready AND x.indislive
          AND x.indnkeyatts >= cardinality(l.names)
          -- Its first columns are those of the key, in any order.
          AND (SELECT array_agg(c.attname ORDER BY c.attname)
               FROM unnest((x.indkey::int2[])[0:cardinality(l.names) - 1]) AS k(num)
               JOIN pg_attribute c ON c.attrelid = l.relid AND c.attnum = k.num)
              = (SELECT array_agg(name ORDER BY name) FROM unnest(l.names) AS name)
          -- One of the rows that refer at all will do: nothing else stands in its WHERE.
          AND (x.indpred IS NULL
               OR (SELECT bool_and(term = ANY (SELECT format('%s IS NOT NULL', q) FROM unnest(l.quoted) AS q))
                   FROM unnest(string_to_array(trim(translate(pg_get_expr(x.indpred, x.indrelid), '()', '')), ' AND ')) AS term)))
    GROUP BY l.oid, l.quoted
)
SELECT format('foreign key %I of %I.%I (%s) has no index%s, so that the DELETE of each row that it refers to reads the table whole',
              a.conname, n.nspname, r.relname, array_to_string(b.quoted, ', '),
              CASE WHEN r.relkind = 'p' THEN format(' on %s of its partitions', b.leaves) ELSE '' END) AS what,
       CASE WHEN r.relkind = 'p'
            THEN format('CREATE INDEX ON %I.%I (%s) /* it blocks writes while it builds, unless each partition has such an index already, created CONCURRENTLY */',
                        n.nspname, r.relname, array_to_string(b.quoted, ', '))
            ELSE format('CREATE INDEX CONCURRENTLY ON %I.%I (%s)', n.nspname, r.relname, array_to_string(b.quoted, ', ')) END AS remedy
FROM bare b
JOIN asked a ON a.oid = b.oid
JOIN pg_class r ON r.oid = a.conrelid
JOIN pg_namespace n ON n.oid = r.relnamespace
ORDER BY n.nspname, r.relname, a.conname;
