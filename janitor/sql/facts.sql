-- What a run has to know of the table beforehand: whether a DELETE may silently keep a row (by a row trigger
-- BEFORE DELETE that returns NULL, or by a rule ON DELETE, of the table or of a partition), whether it may do
-- more than delete rows (by any trigger, or a foreign key with an action), whether triggers of the database may
-- wait for the commit, whether this role may skip locked rows, which takes the right to UPDATE a column, and whether
-- any index has the column :'by_age', so that it is worth asking for plans that might follow it: of hundreds of
-- partitions, planning takes longer than a batch may.
--
-- Lock: none on the table. Index: the catalogue's own.
WITH RECURSIVE tree (oid) AS (
    SELECT :'oid'::oid
     UNION ALL
    SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
)
SELECT -- 11: FOR EACH ROW (1), BEFORE (2), DELETE (8)
       EXISTS (SELECT FROM pg_trigger JOIN tree ON tgrelid = tree.oid WHERE tgtype & 11 = 11 AND tgenabled <> 'D')
       OR EXISTS (SELECT FROM pg_rewrite JOIN tree ON ev_class = tree.oid WHERE ev_type = '4') AS has_delete_trigger,
       EXISTS (SELECT
                 FROM pg_trigger
                 JOIN tree ON tgrelid = tree.oid
                 LEFT JOIN pg_constraint ON pg_constraint.oid = tgconstraint AND contype = 'f'
                WHERE tgtype & 8 = 8 AND tgenabled <> 'D' AND confdeltype IS DISTINCT FROM 'a' AND confdeltype IS DISTINCT FROM 'r') AS has_effects,
       EXISTS (SELECT FROM pg_trigger WHERE tgdeferrable AND tgenabled <> 'D') AS has_deferrable,
       has_any_column_privilege(:'oid'::oid, 'UPDATE') AS may_update,
       EXISTS (SELECT
                 FROM pg_index
                 JOIN tree ON indrelid = tree.oid
                 JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
                WHERE attname = :'by_age') AS has_index_by_age;
