-- How many tokens go with the table, live ones and all, each counted up to $1. Run after begin.sql, with the table's name
-- put in.
-- Locks: ACCESS SHARE on refresh_tokens. Index: live tokens lie at the end of the index that leads with expires_at.
SELECT (SELECT count(*) FROM (SELECT FROM refresh_tokens WHERE expires_at > now() AND is_revoked IS NOT TRUE LIMIT $1::bigint) AS live) AS live,
       (SELECT count(*) FROM (SELECT FROM refresh_tokens LIMIT $1::bigint) AS total) AS total;
