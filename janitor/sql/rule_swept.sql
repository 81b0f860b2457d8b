-- The rule "expired", while a sweep looks for the other as well: what is due by that stays, and
-- is noted for met.sql.
:expired OR (:revoked AND set_config('token_janitor.met', 'true', true) IS NULL)
