-- The rows of one key in a range of heap blocks. IS TRUE hides the key from the planner: this is to avoid
-- its index entries.
(:key = :'floor':::key_type) IS TRUE AND ctid >= :'first'::tid AND ctid < :'end'::tid AND :of_part
