-- Deletes the listed rows as delete_listed.sql does, but :step rows at a time, each step in a
-- subtransaction: an error that a row's trigger or constraint raises undoes that step alone, and does not
-- reach the server's log. Only a batch that is out of time fails as a whole. DO takes no parameters, hence the
-- settings that isolate_args.sql makes and isolate_result.sql reads.
--
-- Lock and index: as lock_listed.sql and delete_locked.sql.
DO $isolate$
DECLARE
    step     integer := current_setting('token_janitor.step');
    free     record;
    still    record; -- the same, once all steps are done
    deleted  bigint := 0;
    n        bigint;
    parts    bigint[] := '{}'; -- of the steps that failed
    places   tid[] := '{}';
    states   text[] := '{}';
    messages text[] := '{}';
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE; -- a deferred one would fail the commit instead
    EXECUTE current_setting('token_janitor.lock')
       INTO free USING current_setting('token_janitor.parts')::bigint[], current_setting('token_janitor.places')::text[];
    FOR i IN 1 .. coalesce(pg_catalog.cardinality(free.parts), 0) BY step LOOP
        BEGIN
            EXECUTE current_setting('token_janitor.delete') USING free.parts[i : i + step - 1], free.places[i : i + step - 1];
            GET DIAGNOSTICS n = ROW_COUNT;
            deleted := deleted + n;
        EXCEPTION WHEN assert_failure OR OTHERS THEN -- OTHERS leaves it out
            parts := pg_catalog.array_cat(parts, free.parts[i : i + step - 1]);
            places := pg_catalog.array_cat(places, free.places[i : i + step - 1]);
            states := pg_catalog.array_append(states, SQLSTATE);
            messages := pg_catalog.array_append(messages, pg_catalog."left"(SQLERRM, 1000)); -- a trigger may raise megabytes for each row
        END;
    END LOOP;
    -- A row that neither failed nor went was kept if it is still due at its place; if it is not, the deletion of another has
    -- changed it: it lies elsewhere by now, and is as one that was not due here.
    n := coalesce(pg_catalog.cardinality(free.parts), 0) - deleted - pg_catalog.cardinality(parts);
    IF n > 0 THEN
        EXECUTE current_setting('token_janitor.lock') INTO still USING free.parts, free.places::text[];
        n := greatest(0, n - (still.due - pg_catalog.cardinality(parts)));
    END IF;
    PERFORM set_config('token_janitor.due', (free.due - n)::text, true),
            set_config('token_janitor.free', (coalesce(pg_catalog.cardinality(free.parts), 0) - n)::text, true),
            set_config('token_janitor.deleted', deleted::text, true),
            set_config('token_janitor.parts', parts::text, true),
            set_config('token_janitor.places', places::text, true),
            set_config('token_janitor.states', states::text, true),
            set_config('token_janitor.messages', messages::text, true);
END
$isolate$;
