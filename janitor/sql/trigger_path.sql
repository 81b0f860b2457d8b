-- Before a DELETE: sets the search_path that the table's own triggers see. That is the session's, as for any
-- DELETE by this role, and then the schema of the table. pg_catalog comes first, because the statements of
-- this batch are still to be parsed, and the temporary tables of a shared session come last.
SELECT set_config('search_path',
                  concat_ws(', ', 'pg_catalog', nullif(current_setting('token_janitor.path'), ''), :'schema'::text, 'pg_temp'),
                  true) IS NOT NULL;
