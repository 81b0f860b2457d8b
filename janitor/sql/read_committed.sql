-- Each statement of a batch sees what was committed before it, whatever the role's default is: by one snapshot for all of
-- them, a DELETE that has waited for DDL would not see what that has changed. Not SET TRANSACTION, which warns of a
-- transaction that is the implicit one of a pipeline. It lasts as long as that.
--
-- Lock: none. Index: none.
SET transaction_isolation = 'read committed';
