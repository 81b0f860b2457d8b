-- The rows of one key, along the index. Sub-selects for the reason given in window_edge.sql.
:key >= (SELECT :'floor':::key_type) AND :key <= (SELECT :'floor':::key_type) AND :partial
