-- A crowd of tokens, each named by its hash, on both sides of the default rules
-- (an expired one stays 1 hour, a revoked one 168). Those that must survive begin with stays.
CREATE FUNCTION token(name text, expires timestamptz, revoked timestamptz DEFAULT NULL, is_revoked boolean DEFAULT false)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO public.refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at)
    SELECT gen_random_uuid(), id, name, expires, is_revoked, revoked FROM public.users LIMIT 1
$$;
INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'ada@example.org');
DO $$ BEGIN
    PERFORM token('goes: expired 61 minutes ago', now() - interval '61 min');
    PERFORM token('goes: expired 2 hours ago', now() - interval '2 hours');
    PERFORM token('goes: expired before all time', '-infinity');
    PERFORM token('goes: expired, and revoked just now', now() - interval '2 hours', now(), true);
    PERFORM token('goes: revoked 169 hours ago', now() + interval '1 day', now() - interval '169 hours', true);
    PERFORM token('goes: revoked long ago, never expires', 'infinity', now() - interval '1 year', true);
    PERFORM token('stays: live', now() + interval '7 days');
    PERFORM token('stays: live for ever', 'infinity');
    PERFORM token('stays: expired 59 minutes ago', now() - interval '59 min');
    PERFORM token('stays: revoked 167 hours ago', now() + interval '1 day', now() - interval '167 hours', true);
    PERFORM token('stays: revoked, nobody knows when', now() + interval '1 day', NULL, true);
    PERFORM token('stays: revoked_at without is_revoked', now() + interval '1 day', now() - interval '1 year', false);
END $$;
CREATE VIEW survivors AS SELECT token_hash FROM public.refresh_tokens ORDER BY token_hash;
