-- Before attached.sql looks at partitions: nobody detaches, drops or renames one from here on. (LOCK TABLE wants a
-- transaction block of its own.)
--
-- Lock: ACCESS SHARE on each, until the batch commits. Index: none.
:selects;
