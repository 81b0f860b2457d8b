"""A point at which a migration can be held, for as long as a test holds the advisory lock 7."""
from alembic import context, op


def gate(name):
    if context.get_x_argument(as_dictionary=True).get("gate") == name:
        op.execute("SELECT pg_advisory_xact_lock_shared(7)")
