-- The arguments of isolate.sql.
SELECT set_config('token_janitor.parts', (:'parts'::bigint[])::text, true),
       set_config('token_janitor.places', (:'places'::text[])::text, true),
       set_config('token_janitor.step', (:'step'::integer)::text, true),
       set_config('token_janitor.lock', :'lock_statement', true),
       set_config('token_janitor.delete', :'delete_statement', true),
       set_config('token_janitor.expired_before', :'expired_before', true),
       set_config('token_janitor.revoked_before', :'revoked_before', true),
       set_config('lock_timeout', :'lock_timeout', true);
