-- Before a DELETE: sets the search_path for the table's own triggers. pg_catalog stays first, and the
-- temporary tables of a shared session last.
SELECT set_config('search_path', :'path', true) IS NOT NULL;
