-- A range of heap blocks, of the table or of a partition that is reached directly (:of_part): its name may be
-- another table's by now. Without the lock it is empty: to ask that in the bound costs nothing, where a condition of
-- its own would be a step of the plan that each row has to pass.
ctid >= :'first'::tid
   AND ctid < (SELECT CASE WHEN current_setting('token_janitor.has_lock')::boolean THEN :'end'::tid END)
   AND :of_part
