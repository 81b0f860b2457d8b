-- What isolate.sql did: as take.sql, and the rows of the steps that failed, with each
-- step's code and words.
SELECT current_setting('token_janitor.due')::bigint,
       current_setting('token_janitor.free')::bigint,
       current_setting('token_janitor.gone')::bigint,
       current_setting('token_janitor.parts')::bigint[],
       current_setting('token_janitor.places')::text[],
       current_setting('token_janitor.states')::text[],
       current_setting('token_janitor.said')::text[];
