-- Fires what is deferred to the commit, where no statement_timeout holds and no row could be isolated.
--
-- Lock and index: those of the triggers.
SET CONSTRAINTS ALL IMMEDIATE;
