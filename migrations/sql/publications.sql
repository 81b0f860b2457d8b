-- Where a publication has the server refuse the DELETE of a token, or what foreign keys do because of it: a row for each
-- table and reason, with the statement that mends it. $1 are the oids of the tables, $2 whether rows of each are updated
-- (else deleted). Run after begin.sql.
--
-- The server asks (CheckCmdReplicaIdentity): can a subscriber find the row by what is published of it? It asks for each
-- partition that holds rows, also if no row is met. A publication that does not publish the command does not matter,
-- nor does a table that is not logged. Row filters, column lists and publications of schemas come with PostgreSQL 15,
-- generated columns with 18; what an older server's catalog does not have is NULL to to_jsonb.
-- Locks: ACCESS SHARE on system catalogs.
WITH asked AS (
    SELECT DISTINCT c.oid, c.relnamespace, c.relreplident, u.updated, format('%I.%I', n.nspname, c.relname) AS name
    FROM ROWS FROM (unnest($1::bigint[]), unnest($2::boolean[])) AS u(oid, updated)
    CROSS JOIN LATERAL (SELECT u.oid::oid AS relid UNION SELECT relid::oid FROM pg_partition_tree(u.oid::oid)) AS tree
    JOIN pg_class c ON c.oid = tree.relid AND c.relkind = 'r' AND c.relpersistence = 'p'
    JOIN pg_namespace n ON n.oid = c.relnamespace
), identity AS ( -- the columns by which a subscriber finds a row, NULL = none; all of them if FULL
    SELECT a.oid, k.columns
    FROM (SELECT DISTINCT oid, relreplident FROM asked) AS a
    LEFT JOIN LATERAL (
        SELECT (x.indkey::int2[])[0:x.indnkeyatts - 1] AS columns
        FROM pg_index x
        WHERE x.indrelid = a.oid AND x.indisvalid AND x.indislive AND x.indisunique AND x.indimmediate AND x.indpred IS NULL
          AND CASE a.relreplident WHEN 'd' THEN x.indisprimary WHEN 'i' THEN x.indisreplident ELSE false END
    ) AS k ON true
), usable AS ( -- how a table can be given one: its primary key, else another unique key without NULLs, else whole rows
    SELECT a.oid, coalesce((
               SELECT CASE WHEN x.indisprimary THEN 'DEFAULT' ELSE format('USING INDEX %I', i.relname) END
               FROM pg_index x
               JOIN pg_class i ON i.oid = x.indexrelid
               WHERE x.indrelid = a.oid AND x.indisvalid AND x.indislive AND x.indisunique AND x.indimmediate
                 AND x.indpred IS NULL AND x.indexprs IS NULL
                 AND NOT EXISTS (SELECT FROM pg_attribute c
                                 WHERE c.attrelid = a.oid AND c.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1])
                                   AND (NOT c.attnotnull OR c.attgenerated <> ''))
               ORDER BY NOT x.indisprimary, x.indnkeyatts, i.relname
               LIMIT 1), 'FULL') AS by
    FROM (SELECT DISTINCT oid FROM asked) AS a
), above AS ( -- a table, and the partitioned ones that it is a partition of, by distance
    SELECT a.oid, a.oid AS relid, 0::bigint AS distance FROM (SELECT DISTINCT oid FROM asked) AS a
    UNION
    SELECT a.oid, p.relid::oid, p.ord - 1
    FROM (SELECT DISTINCT oid FROM asked) AS a
    CROSS JOIN LATERAL pg_partition_ancestors(a.oid) WITH ORDINALITY AS p(relid, ord)
), schema_member AS ( -- pg_publication_namespace, of which PostgreSQL 14 knows nothing, as its dependencies tell
    SELECT p.refobjid AS pubid, n.refobjid AS nspid
    FROM pg_depend p
    JOIN pg_depend n ON n.classid = p.classid AND n.objid = p.objid AND n.refclassid = 'pg_namespace'::regclass
    WHERE p.classid = to_regclass('pg_publication_namespace') AND p.refclassid = 'pg_publication'::regclass
), published AS ( -- each table in each publication that publishes the command, and as which table
    SELECT a.*, p.oid AS pubid, p.pubname, p.puballtables,
           coalesce(to_jsonb(p) ->> 'pubgencols', 'n') AS generated,
           current_setting('server_version_num')::int >= 180000 AS asks_generated,
           CASE WHEN p.pubviaroot THEN m.topmost ELSE a.oid END AS published_as
    FROM asked a
    JOIN pg_publication p ON CASE WHEN a.updated THEN p.pubupdate ELSE p.pubdelete END
    CROSS JOIN LATERAL (
        SELECT count(*) AS members, (array_agg(b.relid ORDER BY b.distance DESC))[1] AS topmost
        FROM above b
        JOIN pg_class c ON c.oid = b.relid
        WHERE b.oid = a.oid
          AND (EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = b.relid)
               OR EXISTS (SELECT FROM schema_member s WHERE s.pubid = p.oid AND s.nspid = c.relnamespace))
    ) AS m
    WHERE p.puballtables OR m.members > 0
), detail AS ( -- with the filter and the list that hold for it, the columns by name, for partitions number theirs otherwise
    SELECT p.*, i.columns IS NOT NULL AS found, u.by, quote_ident(tn.nspname) || '.' || quote_ident(tc.relname) AS target,
           (SELECT to_jsonb(t) ->> 'rowfilter' FROM pg_publication_tables t
            WHERE t.pubname = p.pubname AND t.schemaname = tn.nspname AND t.tablename = tc.relname) AS filter,
           f.names AS filtered, l.names AS listed, k.names AS keys, g.names AS stored, g.virtual, k.stored AS keys_stored, k.virtual AS keys_virtual
    FROM published p
    JOIN identity i ON i.oid = p.oid
    JOIN usable u ON u.oid = p.oid
    LEFT JOIN pg_publication_rel r ON r.prpubid = p.pubid AND r.prrelid = p.published_as AND NOT p.puballtables
    LEFT JOIN pg_class tc ON tc.oid = r.prrelid
    LEFT JOIN pg_namespace tn ON tn.oid = tc.relnamespace
    LEFT JOIN LATERAL (
        SELECT array_agg(DISTINCT quote_ident(c.attname)) AS names
        FROM regexp_matches(to_jsonb(r) ->> 'prqual', '\{VAR :varno \d+ :varattno (\d+)', 'g') AS v
        JOIN pg_attribute c ON c.attrelid = r.prrelid AND c.attnum = v[1]::int
    ) AS f ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(quote_ident(c.attname) ORDER BY c.attnum) AS names
        FROM regexp_split_to_table(nullif(trim(translate(to_jsonb(r) ->> 'prattrs', '[],"', '   ')), ''), '\s+') AS v
        JOIN pg_attribute c ON c.attrelid = r.prrelid AND c.attnum = v::int
    ) AS l ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(quote_ident(c.attname) ORDER BY c.attnum) AS names,
               bool_or(c.attgenerated = 's') AS stored, bool_or(c.attgenerated = 'v') AS virtual
        FROM pg_attribute c WHERE c.attrelid = p.oid AND c.attnum = ANY (i.columns)
    ) AS k ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(quote_ident(c.attname)) FILTER (WHERE c.attgenerated = 's') AS names, bool_or(c.attgenerated = 'v') AS virtual
        FROM pg_attribute c WHERE c.attrelid = p.oid AND c.attnum > 0 AND NOT c.attisdropped
    ) AS g ON true
), problem AS (
    SELECT 1 AS ord, d.*, NULL::text AS missing,
           format('%s has no replica identity, and publication %I publishes its %s', d.name, d.pubname, CASE WHEN d.updated THEN 'updates' ELSE 'deletes' END) AS what,
           format('ALTER TABLE %s REPLICA IDENTITY %s', d.name, d.by) AS remedy
    FROM detail d
    WHERE d.relreplident <> 'f' AND NOT d.found

    UNION ALL
    SELECT 2, d.*, m.columns,
           format('the row filter of publication %I reads %s, which the replica identity of %s does not hold', d.pubname, m.columns, d.name),
           CASE WHEN EXISTS (SELECT FROM detail o WHERE o.oid = d.oid AND (o.listed IS NOT NULL OR o.asks_generated AND (o.stored IS NOT NULL AND o.generated <> 's' OR o.virtual)))
                THEN format('ALTER PUBLICATION %I DROP TABLE %s; ALTER PUBLICATION %1$I ADD TABLE %2$s%s /* without its filter */',
                            d.pubname, d.target, ' (' || array_to_string(d.listed, ', ') || ')')
                ELSE format('ALTER TABLE %s REPLICA IDENTITY FULL', d.name) END
    FROM detail d
    CROSS JOIN LATERAL (SELECT string_agg(c, ', ') AS columns FROM unnest(d.filtered) AS c WHERE c <> ALL (coalesce(d.keys, '{}'))) AS m
    WHERE d.relreplident <> 'f' AND d.found AND m.columns IS NOT NULL

    UNION ALL
    SELECT 3, d.*, m.columns,
           format('the column list of publication %I leaves out %s, of the replica identity of %s', d.pubname, m.columns, d.name),
           format('ALTER PUBLICATION %I DROP TABLE %s; ALTER PUBLICATION %1$I ADD TABLE %2$s (%s, %s)%s',
                  d.pubname, d.target, array_to_string(d.listed, ', '), m.columns, ' WHERE (' || d.filter || ')')
    FROM detail d
    CROSS JOIN LATERAL (SELECT string_agg(c, ', ') AS columns FROM unnest(d.keys) AS c WHERE c <> ALL (d.listed)) AS m
    WHERE d.relreplident <> 'f' AND m.columns IS NOT NULL

    UNION ALL
    SELECT 3, d.*, NULL,
           format('publication %I has a column list, and the replica identity of %s is FULL', d.pubname, d.name),
           CASE WHEN d.by <> 'FULL' THEN format('ALTER TABLE %s REPLICA IDENTITY %s', d.name, d.by)
                ELSE format('ALTER PUBLICATION %I DROP TABLE %s; ALTER PUBLICATION %1$I ADD TABLE %2$s%s /* without its column list */',
                            d.pubname, d.target, ' WHERE (' || d.filter || ')') END
    FROM detail d
    WHERE d.relreplident = 'f' AND d.listed IS NOT NULL

    UNION ALL
    SELECT 4, d.*, NULL,
           format('the replica identity of %s holds a generated column that publication %I does not publish', d.name, d.pubname),
           CASE WHEN d.relreplident = 'f' AND d.virtual OR d.keys_virtual THEN format('ALTER TABLE %s REPLICA IDENTITY %s', d.name, d.by)
                ELSE format('ALTER PUBLICATION %I SET (publish_generated_columns = stored)', d.pubname) END
    FROM detail d
    WHERE d.asks_generated
      AND CASE WHEN d.relreplident = 'f' THEN d.virtual OR d.stored IS NOT NULL AND d.generated <> 's'
               ELSE d.listed IS NULL AND (d.keys_virtual OR d.keys_stored AND d.generated <> 's') END
)
SELECT what || ': ' || CASE WHEN bool_or(updated) AND NOT bool_or(NOT updated) THEN 'each update of it' ELSE 'each DELETE' END || ' fails' AS what, remedy
FROM problem
GROUP BY ord, name, pubname, what, remedy
ORDER BY min(ord), name, pubname;
