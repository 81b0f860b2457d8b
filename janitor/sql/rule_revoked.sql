-- The rule "revoked": revoked_before is now - keep_revoked. A row without revoked_at has no age
-- and goes when it expires; a row that expired belongs to the other rule.
is_revoked AND revoked_at < :'revoked_before'::timestamptz AND expires_at >= :'expired_before'::timestamptz
