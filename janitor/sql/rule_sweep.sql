-- The rule "expired", while a sweep looks for the other rule as well: a row that is due by that one stays,
-- and is noted for sweep_met.sql.
(:expired) OR ((:revoked) AND set_config('token_janitor.met', 'true', true) IS NULL)
