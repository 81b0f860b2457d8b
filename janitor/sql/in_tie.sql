-- The rows of one timestamp, in a range of heap blocks.
:key = :'floor'::timestamptz AND ctid >= :'first'::tid AND ctid < :'end'::tid
