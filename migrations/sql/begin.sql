-- The search_path of the session as the server resolves it, put aside: until the commit only pg_catalog counts, so that
-- nobody's function, operator or type can stand in for the server's own.
SELECT pg_catalog.current_schemas(true) AS schemas,
       pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true) AS now;
