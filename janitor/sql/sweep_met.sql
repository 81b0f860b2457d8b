-- Whether the sweep met a row in its blocks that is due by the other rule, as rule_sweep.sql noted. The
-- note ends with the transaction; an empty one means that an earlier transaction made one.
SELECT coalesce(current_setting('token_janitor.met', true), '') = 'true';
