-- Before a DELETE: sets the search_path that the table's own triggers see. That is the session's, as for any
-- DELETE by this role, and then the schema of the table. The statements of this batch are still to be parsed:
-- where the path names pg_catalog, and so may put another schema before it, it comes first.
SELECT set_config('search_path',
                  concat_ws(', ', CASE WHEN current_setting('token_janitor.path') ~* 'pg_catalog' THEN 'pg_catalog' END,
                            nullif(current_setting('token_janitor.path'), ''), :'schema'::text),
                  true) IS NOT NULL;
