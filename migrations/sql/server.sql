-- Which server this is: what version() says, and whether it has a view that only Aurora DSQL has, for that calls itself
-- PostgreSQL. Sent before anything else, in words that each of them knows.
-- Locks: none.
SELECT pg_catalog.version() AS version,
       pg_catalog.to_regclass('sys.iam_pg_role_mappings') IS NOT NULL AS is_dsql
