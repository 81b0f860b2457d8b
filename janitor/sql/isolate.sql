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
    again    bigint;
    moved    record; -- rows of a step that lie elsewhere by now, by another's deletion or by their own trigger's doing
    follow   boolean; -- a role that may read columns only is not told where a row went
    latest   text[]; -- where the free rows lie by now
    parts    bigint[] := '{}'; -- of the steps that failed
    places   tid[] := '{}';
    states   text[] := '{}';
    messages text[] := '{}';
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE; -- a deferred one would fail the commit instead
    EXECUTE current_setting('token_janitor.lock')
       INTO free USING current_setting('token_janitor.parts')::bigint[], current_setting('token_janitor.places')::text[];
    follow := (SELECT pg_catalog.bool_and(has_table_privilege(part::oid, 'SELECT')) FROM (SELECT DISTINCT pg_catalog.unnest(free.parts)) AS p (part));
    FOR i IN 1 .. coalesce(pg_catalog.cardinality(free.parts), 0) BY step LOOP
        BEGIN
            EXECUTE current_setting('token_janitor.delete') USING free.parts[i : i + step - 1], free.places[i : i + step - 1];
            GET DIAGNOSTICS n = ROW_COUNT;
            IF n < step AND follow THEN
                SELECT pg_catalog.array_agg(part) AS parts, pg_catalog.array_agg(pg_catalog.currtid2(part::oid::regclass::text, place)) AS places
                  INTO moved
                  FROM ROWS FROM (pg_catalog.unnest(free.parts[i : i + step - 1]), pg_catalog.unnest(free.places[i : i + step - 1])) AS l (part, place)
                 WHERE pg_catalog.currtid2(part::oid::regclass::text, place) <> place;
                IF moved.parts IS NOT NULL THEN
                    EXECUTE current_setting('token_janitor.delete') USING moved.parts, moved.places;
                    GET DIAGNOSTICS again = ROW_COUNT;
                    n := n + again;
                END IF;
            END IF;
            deleted := deleted + n;
        EXCEPTION WHEN assert_failure OR OTHERS THEN -- OTHERS leaves it out
            parts := pg_catalog.array_cat(parts, free.parts[i : i + step - 1]);
            places := pg_catalog.array_cat(places, free.places[i : i + step - 1]);
            states := pg_catalog.array_append(states, SQLSTATE);
            messages := pg_catalog.array_append(messages, pg_catalog."left"(SQLERRM, 1000)); -- a trigger may raise megabytes for each row
        END;
    END LOOP;
    -- A row that neither failed nor went was kept if it is still due, even if it has been moved; if it is not, the deletion of
    -- another, or a trigger, has changed it: it is as one that was not due here.
    n := coalesce(pg_catalog.cardinality(free.parts), 0) - deleted - pg_catalog.cardinality(parts);
    IF n > 0 THEN
        latest := free.places::text[];
        IF follow THEN
            latest := ARRAY(SELECT pg_catalog.currtid2(part::oid::regclass::text, place)::text
                              FROM ROWS FROM (pg_catalog.unnest(free.parts), pg_catalog.unnest(free.places)) AS l (part, place));
        END IF;
        EXECUTE current_setting('token_janitor.lock') INTO still USING free.parts, latest;
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
