-- What is amiss with the table of tokens whose oid is $1: a row for each problem, with the statement that mends it.
-- No row: the janitor can work with it. $2 to $4 name the columns of expiry, of the flag and of the time of revocation, ''
-- where there is none; $5 and $6 are what --timestamp-zone and --epoch say. Run after begin.sql.
-- Locks: ACCESS SHARE on system catalogs.
WITH tokens AS (
    SELECT c.*, n.nspname, quote_ident(current_user) AS me,
           format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = $1::oid
), wanted AS (
    SELECT * FROM (VALUES (1, $2::text, '--expires-column', false, 'expir|(^|_)exp$|until|not_?after'),
                          (2, $3::text, '--revoked-column', true, 'revok|consum|used|blacklist|invalid'),
                          (3, $4::text, '--revoked-at-column', false, 'revok|consum|used|blacklist|invalid')) AS v(ord, name, flag, is_flag, likely)
    WHERE name <> ''
), found AS ( -- state: fits, missing, or what is amiss with its type
    SELECT w.*, a.attnum, a.atttypid, replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz') AS is,
           CASE WHEN a.attnum IS NULL THEN 'missing'
                WHEN w.is_flag THEN CASE WHEN a.atttypid = 'boolean'::regtype THEN 'fits' ELSE 'type' END
                WHEN a.atttypid = 'timestamptz'::regtype THEN 'fits'
                WHEN a.atttypid = 'timestamp'::regtype THEN CASE WHEN $5::text <> '' THEN 'fits' ELSE 'zone' END
                WHEN a.atttypid = 'int4'::regtype AND $6::text = 'milliseconds' THEN 'narrow'
                WHEN a.atttypid IN ('int4'::regtype, 'int8'::regtype) THEN CASE WHEN $6::text <> '' THEN 'fits' ELSE 'epoch' END
                ELSE 'type' END AS state
    FROM wanted w
    LEFT JOIN pg_attribute a ON a.attrelid = $1::oid AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
), other AS ( -- columns that a flag may name in place of one that is missing, or of a type that cannot be compared
    SELECT f.ord, a.attnum, a.attname, a.attname ~* f.likely AS likely,
           format('%I %s', a.attname, replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz')) AS told,
           concat_ws(' ', f.flag, CASE WHEN a.attname ~ '^[A-Za-z0-9_]+$' THEN a.attname::text ELSE quote_literal(a.attname) END,
                     CASE WHEN a.attname ~* 'creat|issued' THEN '--keep-expired LIFETIME' END,
                     CASE WHEN a.atttypid = 'timestamp'::regtype AND $5::text = '' THEN '--timestamp-zone ZONE' END,
                     CASE WHEN a.atttypid IN ('int4'::regtype, 'int8'::regtype) AND $6::text = '' THEN '--epoch seconds' END,
                     CASE WHEN a.atttypid = 'int8'::regtype AND $6::text = '' THEN 'or milliseconds' END) AS flags
    FROM found f
    JOIN pg_attribute a ON a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE f.state IN ('missing', 'type')
      AND CASE WHEN f.is_flag THEN a.atttypid = 'boolean'::regtype AND a.attname ~* f.likely
               WHEN a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype) THEN f.ord = 1 OR a.attname ~* f.likely
               ELSE a.atttypid IN ('int4'::regtype, 'int8'::regtype) AND a.attname ~* f.likely END
      AND NOT EXISTS (SELECT FROM found o WHERE o.attnum = a.attnum)
      AND a.attname !~* '_?in$' -- expires_in is how long, not until when
      -- and where each row has a lifetime of its own, the time when it was made does not say when it expires
      AND NOT (a.attname ~* 'creat|issued' AND EXISTS (SELECT FROM pg_attribute l WHERE l.attrelid = $1::oid AND l.attname ~* 'expires?_?in$|ttl|lifetime|max_?age' AND l.attnum > 0))
), offer AS ( -- what of these is said: all that there are, and the flags of those that are likely meant
    SELECT ord, string_agg(told, ', ' ORDER BY likely DESC, attnum) AS has,
           string_agg(flags, ', or ' ORDER BY attnum) FILTER (WHERE likely OR attname ~* 'creat|issued') AS flags
    FROM other o
    WHERE likely OR NOT EXISTS (SELECT FROM other l WHERE l.ord = o.ord AND l.likely)
    GROUP BY ord
), candidate AS ( -- indexes that lead with the column of expiry, and why one may be of no use
    SELECT i.relname, CASE
               WHEN NOT (x.indisvalid AND x.indisready AND x.indislive) THEN 'is not valid'
               WHEN x.indpred IS NOT NULL THEN 'is partial'
               WHEN am.amname <> 'btree' THEN 'is not a btree but ' || am.amname
               -- Either ascending with nulls last or the mirror of it; others cannot serve ORDER BY it.
               WHEN x.indoption[0] NOT IN (0, 3) THEN 'sorts nulls at the wrong end'
           END AS useless
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_am am ON am.oid = i.relam
    JOIN found f ON f.ord = 1 AND f.attnum = x.indkey[0]
    WHERE x.indrelid = $1::oid
), policy AS ( -- those that hold for this role and a command of ours; a permissive one without USING lets no row through
    SELECT p.*, CASE WHEN p.polqual IS NULL THEN p.polpermissive ELSE pg_get_expr(p.polqual, p.polrelid) <> 'true' END AS hides
    FROM pg_policy p
    WHERE p.polrelid = $1::oid
      AND (p.polcmd IN ('r', 'd', '*') OR p.polcmd = 'w' AND has_any_column_privilege(p.polrelid, 'UPDATE'))
      AND EXISTS (SELECT FROM unnest(p.polroles) AS r WHERE r = 0 OR pg_has_role(r, 'USAGE'))
), problem(ord, what, remedy) AS (
    SELECT 10, format('%s is a %s, not a table', name,
                      CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                                   WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'composite type' ELSE format('relation of kind %s', relkind) END),
           'name the table that holds the tokens with --table'
    FROM tokens WHERE relkind NOT IN ('r', 'p')

    UNION ALL
    SELECT 11, format('%s is a temporary table', name), 'name the table that holds the tokens with --table'
    FROM tokens WHERE relpersistence = 't'

    UNION ALL
    -- An index on the parent holds the parent's own rows only, so every window would read the children whole.
    SELECT 12, format('%s has tables that inherit from it (%s)', name, string_agg(h.inhrelid::regclass::text, ', ')),
           'partition it (PARTITION BY) or run one janitor for each table, with --table'
    FROM tokens JOIN pg_inherits h ON h.inhparent = tokens.oid
    WHERE relkind = 'r'
    GROUP BY name

    UNION ALL
    -- One in place of DELETE deletes nothing, and each run would say that all is gone. One beside it stops a batch that
    -- picks rows, for no rule goes with a DELETE in WITH. Rules of partitions count for nobody who names the table.
    SELECT 13, format('%s has a rule %I %s DELETE', name, r.rulename, CASE WHEN r.is_instead THEN 'in place of' ELSE 'beside' END),
           format('DROP RULE %I ON %s', r.rulename, name)
           || CASE WHEN r.is_instead THEN '' ELSE ' /* and let a trigger AFTER DELETE do what it did */' END
    FROM tokens JOIN pg_rewrite r ON r.ev_class = tokens.oid
    WHERE r.ev_type = '4' AND relkind IN ('r', 'p')
      AND r.ev_enabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)

    UNION ALL
    SELECT 20 + f.ord, format('column %I is missing', f.name) || coalesce('; the table has ' || o.has, ''),
           CASE WHEN f.ord = 1 THEN coalesce(o.flags, 'name the column that says when a row expires: --expires-column')
                ELSE concat_ws(', or ', o.flags, f.flag || ' none if the table has none') END
    FROM found f LEFT JOIN offer o ON o.ord = f.ord
    WHERE f.state = 'missing'

    UNION ALL
    SELECT 20 + f.ord, format('column %I is %s, and --timestamp-zone is not given', f.name, f.is),
           format('--timestamp-zone ZONE, the one that it is written in, such as UTC (last resort: ALTER TABLE %s ALTER COLUMN %I TYPE timestamptz '
                  'USING %2$I AT TIME ZONE ''ZONE'', which rewrites the table under ACCESS EXCLUSIVE: nobody can read or write it meanwhile)', t.name, f.name)
    FROM tokens t, found f WHERE f.state = 'zone'

    UNION ALL
    SELECT 20 + f.ord, format('column %I is %s, and --epoch is not given', f.name, f.is),
           CASE WHEN f.atttypid = 'int4'::regtype THEN '--epoch seconds, if it counts them from 1970'
                ELSE '--epoch seconds, or --epoch milliseconds, whichever it counts from 1970' END
    FROM found f WHERE f.state = 'epoch'

    UNION ALL
    SELECT 20 + f.ord, format('column %I is %s, which cannot hold milliseconds since 1970', f.name, f.is), '--epoch seconds, if it counts them from 1970'
    FROM found f WHERE f.state = 'narrow'

    UNION ALL
    SELECT 20 + f.ord, format('column %I is %s, not %s', f.name, f.is,
                              CASE WHEN f.is_flag THEN 'boolean' ELSE 'timestamptz, timestamp, integer or bigint' END)
                       || coalesce('; the table has ' || o.has, ''),
           CASE WHEN f.is_flag AND f.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)
                THEN format('if a row is revoked where it is not null: --revoked-column none --revoked-at-column %s', f.name)
                ELSE concat_ws(', or ', o.flags, CASE WHEN f.is_flag THEN '--revoked-column none --revoked-at-column none, so that rows are deleted when they expire'
                                                        WHEN f.ord > 1 THEN f.flag || ' none' END)
                     || CASE WHEN f.ord = 1 AND o.flags IS NULL THEN 'name another with --expires-column' ELSE '' END
                     || ' (last resort: another type for the column, which rewrites the table under ACCESS EXCLUSIVE: nobody can read or write it meanwhile)'
           END
    FROM tokens t CROSS JOIN found f LEFT JOIN offer o ON o.ord = f.ord
    WHERE f.state = 'type'

    UNION ALL
    -- A default such as infinity says of a row that it is not revoked.
    SELECT 25, format('column %I is NOT NULL, so that each row counts as revoked', f.name),
           '--revoked-at-column none, or name the boolean that says which rows are revoked with --revoked-column'
    FROM found f
    JOIN pg_attribute a ON a.attrelid = $1::oid AND a.attnum = f.attnum
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE f.ord = 3 AND $3::text = '' AND a.attnotnull AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)
      AND coalesce(pg_get_expr(d.adbin, d.adrelid), '') !~* 'infinity|9999'

    UNION ALL
    SELECT 30, format('no index leads with %I', f.name)
               || coalesce((SELECT ' (' || string_agg(format('%I %s', l.relname, l.useless), ', ' ORDER BY l.relname) || ')'
                            FROM candidate l), ''),
           CASE t.relkind
               WHEN 'p' THEN format('CREATE INDEX ON %s (%I) /* it blocks writes while it builds, unless each partition '
                                    'has such an index already, created CONCURRENTLY */', t.name, f.name)
               ELSE format('CREATE INDEX CONCURRENTLY ON %s (%I)', t.name, f.name) END
           || coalesce((SELECT '; then DROP INDEX ' || string_agg(format('%I.%I', t.nspname, l.relname), ', ' ORDER BY l.relname)
                        FROM candidate l WHERE l.useless = 'is not valid'), '')
    FROM tokens t, found f
    WHERE t.relkind IN ('r', 'p') AND f.ord = 1 AND f.state NOT IN ('missing', 'type')
      AND NOT EXISTS (SELECT FROM candidate WHERE useless IS NULL)

    UNION ALL
    SELECT 40, format('%s may not use schema %I', me, nspname), format('GRANT USAGE ON SCHEMA %I TO %s', nspname, me)
    FROM tokens WHERE NOT has_schema_privilege(relnamespace, 'USAGE')

    UNION ALL
    -- ctid and tableoid say where a row lies, for rows that have to be deleted by their place. The hash is not read.
    SELECT 41, format('%s may not read %s', t.me, string_agg(quote_ident(r.name), ', ' ORDER BY r.ord)),
           format('GRANT SELECT (%s) ON %s TO %s', string_agg(quote_ident(r.name), ', ' ORDER BY r.ord), t.name, t.me)
    FROM tokens t, (SELECT ord, name FROM found WHERE attnum IS NOT NULL
                    UNION ALL VALUES (4, 'ctid'), (5, 'tableoid')) AS r(ord, name)
    WHERE t.relkind IN ('r', 'p') AND NOT has_column_privilege(t.oid, r.name, 'SELECT')
    GROUP BY t.me, t.name

    UNION ALL
    SELECT 42, format('%s may not delete from %s', me, name), format('GRANT DELETE ON %s TO %s', name, me)
    FROM tokens WHERE NOT has_table_privilege(oid, 'DELETE')

    UNION ALL
    -- With row_security off, what a policy may hide is an error.
    SELECT 43, format('row_security is off for %s, so that row security on %s stops each statement', me, name),
           format('ALTER ROLE %s SET row_security = on', me)
    FROM tokens WHERE row_security_active(oid) AND NOT current_setting('row_security')::boolean

    UNION ALL
    SELECT 44, format('row security on %s hides rows from %s', t.name, t.me)
               || coalesce(' (policy ' || n.names || ')', ''),
           CASE -- one more policy does not help where one is restrictive
               WHEN pg_has_role(t.relowner, 'USAGE') AND t.relforcerowsecurity THEN
                   CASE WHEN n.names IS NULL THEN format('CREATE POLICY %I ON %s TO %s USING (true) /* or ALTER TABLE %2$s NO FORCE ROW LEVEL SECURITY */', free.name, t.name, t.me)
                        ELSE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', t.name) END
               WHEN n.names IS NULL THEN format('CREATE POLICY %I ON %s TO %s USING (true) /* or ALTER ROLE %3$s BYPASSRLS */', free.name, t.name, t.me)
               ELSE format('ALTER ROLE %s BYPASSRLS', t.me) END
    FROM tokens t
    CROSS JOIN LATERAL (SELECT string_agg(quote_ident(p.polname), ', ' ORDER BY p.polname) AS names
                        FROM policy p WHERE NOT p.polpermissive AND p.hides) AS n
    CROSS JOIN LATERAL (SELECT c.name FROM (SELECT 'token_janitor' AS name, 0 AS ord
                                            UNION ALL SELECT 'token_janitor_' || i, i FROM generate_series(2, 100) AS i) AS c
                        WHERE NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polname = c.name)
                        ORDER BY c.ord LIMIT 1) AS free
    WHERE row_security_active(t.oid)
      AND (n.names IS NOT NULL
           -- Each command needs one policy that lets all rows through. UPDATE is what passing over locked rows takes.
           OR EXISTS (SELECT FROM unnest(ARRAY['r', 'd', 'w']) AS command
                      WHERE (command <> 'w' OR has_any_column_privilege(t.oid, 'UPDATE'))
                        AND NOT EXISTS (SELECT FROM policy p
                                        WHERE p.polpermissive AND p.polcmd::text IN (command, '*') AND NOT p.hides)))
)
SELECT what, remedy FROM problem ORDER BY ord;
