-- A range of heap blocks, of the table or of a partition that is reached directly (:of_part): its name may be
-- another table's by now.
ctid >= :'first'::tid AND ctid < :'end'::tid AND :of_part
