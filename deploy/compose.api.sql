-- One call of the simulated API, for pgbench: three logins in ten, six refreshes, a logout.
\set user random(1, 1000)
\set call random(1, 10)
\if :call <= 3
INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at)
SELECT gen_random_uuid(), id, encode(sha256(gen_random_uuid()::text::bytea), 'hex'), now() + interval '2 minutes'
FROM users WHERE email = 'user' || :user || '@example.org';
\elif :call <= 9
-- A refresh revokes the token; its successor expires when it would have.
WITH old AS (
    UPDATE refresh_tokens SET is_revoked = true, revoked_at = now()
    WHERE id = (
        SELECT t.id FROM refresh_tokens t JOIN users u ON u.id = t.user_id
        WHERE u.email = 'user' || :user || '@example.org' AND NOT t.is_revoked AND t.expires_at > now()
        LIMIT 1 FOR UPDATE OF t SKIP LOCKED)
    RETURNING user_id, expires_at
)
INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at)
SELECT gen_random_uuid(), user_id, encode(sha256(gen_random_uuid()::text::bytea), 'hex'), expires_at FROM old;
\else
UPDATE refresh_tokens SET is_revoked = true, revoked_at = now()
WHERE id = (
    SELECT t.id FROM refresh_tokens t JOIN users u ON u.id = t.user_id
    WHERE u.email = 'user' || :user || '@example.org' AND NOT t.is_revoked AND t.expires_at > now()
    LIMIT 1 FOR UPDATE OF t SKIP LOCKED);
\endif
