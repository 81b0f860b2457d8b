-- The rows of one key, along the index. Sub-selects for the reason given in window_edge.sql.
:key >= (SELECT :'floor'::timestamptz) AND :key <= (SELECT :'floor'::timestamptz) AND :partial
