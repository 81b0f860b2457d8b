-- Whether the sweep met a row in its blocks that is due by the other rule: as rule_swept.sql
-- noted. The note ends with the transaction, and is empty where there was one before.
SELECT coalesce(current_setting('token_janitor.met', true), '') = 'true';
