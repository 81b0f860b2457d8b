-- Fails where the server does not know the time zone.
--
-- Lock: none. Index: none.
SELECT timestamptz 'epoch' AT TIME ZONE :'zone'::text;
