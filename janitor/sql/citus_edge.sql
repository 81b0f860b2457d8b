-- Sets the edge of a window before its statement is explained, for Citus evaluates the sub-selects of a statement even then.
SELECT set_config('token_janitor.edge', :'until', true);
