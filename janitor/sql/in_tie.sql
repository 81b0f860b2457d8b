-- The rows of one timestamp, in a range of heap blocks. IS TRUE keeps the timestamp from the
-- planner: its entries of the index are what this is to avoid.
(:key = :'floor'::timestamptz) IS TRUE AND ctid >= :'first'::tid AND ctid < :'end'::tid
