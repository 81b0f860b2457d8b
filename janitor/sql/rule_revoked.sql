-- The rule "revoked": revoked_before is now - keep_revoked. A row without revoked_at has no age
-- and goes when it expires; a row that expired belongs to the other rule.
:revoked AND :revoked_at < :'revoked_before':::revoked_at_type AND :expires >= :'expired_before':::expires_type
