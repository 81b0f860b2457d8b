-- Deletes the listed rows as take.sql does, but :step at a time, each time in a
-- subtransaction: what a row's trigger or constraint raises undoes that step alone, and
-- is not written to the server's log. What is no row's fault (token_janitor.fatal) fails
-- the whole. A DO takes no parameters, hence the settings, which isolating.sql makes and
-- isolated.sql reads.
--
-- Lock and index: as free.sql and step.sql.
DO $isolate$
DECLARE
    step     integer := current_setting('token_janitor.step');
    free     record;
    gone     bigint := 0;
    went     bigint;
    parts    bigint[] := '{}'; -- of the steps that failed
    places   tid[] := '{}';
    states   text[] := '{}';
    said     text[] := '{}';
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE; -- a deferred one would fail the commit instead
    EXECUTE current_setting('token_janitor.free')
       INTO free USING current_setting('token_janitor.parts')::bigint[], current_setting('token_janitor.places')::text[];
    FOR i IN 1 .. coalesce(pg_catalog.cardinality(free.parts), 0) BY step LOOP
        BEGIN
            EXECUTE current_setting('token_janitor.take') USING free.parts[i : i + step - 1], free.places[i : i + step - 1];
            GET DIAGNOSTICS went = ROW_COUNT;
            gone := gone + went;
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE ~ current_setting('token_janitor.fatal') THEN
                RAISE;
            END IF;
            parts := pg_catalog.array_cat(parts, free.parts[i : i + step - 1]);
            places := pg_catalog.array_cat(places, free.places[i : i + step - 1]);
            states := pg_catalog.array_append(states, SQLSTATE);
            said := pg_catalog.array_append(said, pg_catalog."left"(SQLERRM, 1000)); -- megabytes, of each row, if it likes
        END;
    END LOOP;
    PERFORM set_config('token_janitor.due', free.due::text, true),
            set_config('token_janitor.free', coalesce(pg_catalog.cardinality(free.parts), 0)::text, true),
            set_config('token_janitor.gone', gone::text, true),
            set_config('token_janitor.parts', parts::text, true),
            set_config('token_janitor.places', places::text, true),
            set_config('token_janitor.states', states::text, true),
            set_config('token_janitor.said', said::text, true);
END
$isolate$;
