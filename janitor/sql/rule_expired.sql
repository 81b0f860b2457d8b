-- The rule "expired": expired_before is now - keep_expired, in
-- the type of the column.
:expires < :'expired_before':::expires_type
