-- What isolate.sql did: the counts of delete_listed.sql, and the rows of the steps that failed with the
-- SQLSTATE and the message of each step.
SELECT current_setting('token_janitor.due')::bigint,
       current_setting('token_janitor.free')::bigint,
       current_setting('token_janitor.deleted')::bigint,
       current_setting('token_janitor.parts')::bigint[],
       current_setting('token_janitor.places')::text[],
       current_setting('token_janitor.states')::text[],
       current_setting('token_janitor.messages')::text[];
