-- Before a statement that reads a small table whole and joins it with itself.
SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true);
