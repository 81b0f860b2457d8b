-- The rule "expired": expired_before is now - keep_expired.
expires_at < :'expired_before'::timestamptz
