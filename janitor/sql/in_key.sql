-- The rows of one timestamp, along the index; as in_window.sql.
:key >= (SELECT :'floor'::timestamptz) AND :key <= (SELECT :'floor'::timestamptz) AND :cut
