-- Before a DELETE: the triggers of the table are the user's, and name what they write to
-- as the user does. pg_catalog stays first, and a shared session's temporary tables last.
SELECT set_config('search_path', :'path', true) IS NOT NULL;
