-- The foreign keys of the database that act on the rows that refer: a row for each whose ON DELETE or ON UPDATE action
-- fires in this session. $1 is the oid of the table of tokens, $2 the columns that
-- the rules read. Run after begin.sql.
--
-- A key of a partitioned table, or one that refers to it, has a copy in pg_constraint for each partition. Here is the
-- one that was declared; "deletes" and "updates" name every table whose DELETE or UPDATE fires it, partitions and the
-- partitioned tables above them. A key NOT ENFORCED has no triggers, and triggers may be disabled: neither fires.
-- Locks: ACCESS SHARE on system catalogs.
WITH RECURSIVE copy(root, oid) AS (
    SELECT oid, oid FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
    UNION ALL
    SELECT copy.root, c.oid FROM copy JOIN pg_constraint c ON c.conparentid = copy.oid AND c.contype = 'f'
), fires AS (
    SELECT copy.root, up.relid,
           bool_or(t.tgtype & 8 <> 0) AS on_delete, bool_or(t.tgtype & 16 <> 0) AS on_update
    FROM copy
    JOIN pg_constraint c ON c.oid = copy.oid
    JOIN pg_trigger t ON t.tgconstraint = c.oid AND t.tgrelid = c.confrelid
    JOIN pg_proc p ON p.oid = t.tgfoid
    CROSS JOIN LATERAL (SELECT c.confrelid AS relid UNION SELECT relid FROM pg_partition_ancestors(c.confrelid)) AS up
    WHERE (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd'))
      AND p.proname ~ '^RI_FKey_(cascade|setnull|setdefault)_(del|upd)$' -- a key within one table has its checks there too
      AND t.tgenabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)
    GROUP BY copy.root, up.relid
), acting AS (
    SELECT root, coalesce(array_agg(relid) FILTER (WHERE on_delete), '{}') AS deletes,
           coalesce(array_agg(relid) FILTER (WHERE on_update), '{}') AS updates
    FROM fires
    GROUP BY root
), family AS ( -- the table of tokens with all partitions of which it is one
    SELECT relid::oid AS oid FROM pg_partition_tree(coalesce(pg_partition_root($1::oid), $1::oid))
    UNION
    SELECT $1::oid
), generated AS ( -- generated columns, and what they are made of
    SELECT d.adrelid AS relid, a.attname AS name, base.attname AS made_of
    FROM pg_attrdef d
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated <> ''
    JOIN pg_depend p ON p.refclassid = 'pg_class'::regclass AND p.refobjid = d.adrelid AND p.refobjsubid > 0
                    AND (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                         OR p.classid = 'pg_class'::regclass AND p.objid = d.adrelid AND p.objsubid = d.adnum)
    JOIN pg_attribute base ON base.attrelid = d.adrelid AND base.attnum = p.refobjsubid AND base.attnum <> d.adnum
)
SELECT quote_ident(c.conname) AS name, format('%I.%I', n.nspname, r.relname) AS of, format('%I.%I', fn.nspname, f.relname) AS to,
       c.conrelid AS rel_oid, c.conrelid IN (SELECT oid FROM family) AS in_family,
       acting.deletes, acting.updates, c.confdeltype::text AS on_delete, c.confupdtype::text AS on_update,
       key.columns, key.referenced, made.generated, made.made_of, key.not_null, key.has_default,
       coalesce((SELECT array_agg(quote_ident(a.attname) ORDER BY s.ord)
                 FROM unnest(translate(to_jsonb(c) ->> 'confdelsetcols', '[]', '{}')::int2[]) WITH ORDINALITY AS s(num, ord) -- PostgreSQL 15 and later
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = s.num), key.columns) AS nulled,
       key.of_rules, key.of_primary, key.of_others,
       CASE c.confmatchtype WHEN 'f' THEN ' MATCH FULL' ELSE '' END AS matching,
       CASE WHEN NOT c.condeferrable THEN '' WHEN c.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' ELSE ' DEFERRABLE' END AS deferring,
       c.convalidated AS validated, r.relkind = 'p' AS partitioned,
       current_setting('server_version_num')::int >= 150000 AS has_set_null_list
FROM acting
JOIN pg_constraint c ON c.oid = acting.root
JOIN pg_class r ON r.oid = c.conrelid
JOIN pg_namespace n ON n.oid = r.relnamespace
JOIN pg_class f ON f.oid = c.confrelid
JOIN pg_namespace fn ON fn.oid = f.relnamespace
CROSS JOIN LATERAL (
    SELECT array_agg(quote_ident(a.attname) ORDER BY k.ord) AS columns,
           array_agg(quote_ident(fa.attname) ORDER BY k.ord) AS referenced,
           coalesce(array_agg(quote_ident(a.attname)) FILTER (WHERE a.attnotnull OR y.typnotnull), '{}') AS not_null,
           -- NULL by default is none; a domain may have one of its own.
           coalesce(array_agg(quote_ident(a.attname)) FILTER (
               WHERE CASE WHEN d.oid IS NULL THEN y.typdefault IS NOT NULL
                          ELSE pg_get_expr(d.adbin, d.adrelid) !~ '^NULL(::.*)?$' END), '{}') AS has_default,
           coalesce(array_agg(quote_ident(a.attname)) FILTER (
               WHERE a.attname = ANY ($2::text[])
                  OR EXISTS (SELECT FROM generated g WHERE g.relid = c.conrelid AND g.name = ANY ($2::text[]) AND g.made_of = a.attname)), '{}') AS of_rules,
           coalesce(array_agg(quote_ident(a.attname)) FILTER (
               WHERE EXISTS (SELECT FROM pg_index x
                             WHERE x.indrelid = c.conrelid AND x.indisprimary AND a.attnum = ANY (x.indkey::int2[]))), '{}') AS of_primary,
           -- What says whose row it is: a column that is the same on both sides, or that refers to another table as well.
           coalesce(array_agg(quote_ident(a.attname)) FILTER (
               WHERE a.attname = fa.attname AND c.conrelid IN (SELECT oid FROM family) AND c.confrelid IN (SELECT oid FROM family)
                  OR EXISTS (SELECT FROM pg_constraint o
                             WHERE o.contype = 'f' AND o.conrelid = c.conrelid AND o.oid <> c.oid AND o.conkey @> ARRAY[a.attnum]
                               AND o.confrelid NOT IN (SELECT oid FROM family))), '{}') AS of_others
    FROM unnest(c.conkey, c.confkey) WITH ORDINALITY AS k(num, fnum, ord)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num
    JOIN pg_type y ON y.oid = a.atttypid
    JOIN pg_attribute fa ON fa.attrelid = c.confrelid AND fa.attnum = k.fnum
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
) AS key
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(quote_ident(g.name) ORDER BY g.name, g.made_of), '{}') AS generated,
           coalesce(array_agg(quote_ident(g.made_of) ORDER BY g.name, g.made_of), '{}') AS made_of
    FROM generated g
    JOIN pg_attribute fa ON fa.attrelid = c.confrelid AND fa.attname = g.name AND fa.attnum = ANY (c.confkey)
    WHERE g.relid = c.confrelid
) AS made
ORDER BY of, name;
