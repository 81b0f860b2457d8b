-- A range of heap blocks.
ctid >= :'first'::tid AND ctid < :'end'::tid
