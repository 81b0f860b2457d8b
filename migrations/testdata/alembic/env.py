# -x url=...          the database
# -x per_migration=1  a transaction for each revision, not one for all
# -x future=1         SQLAlchemy's 2.0 style of connection, as under an asyncio engine
# -x version_table=...         the table that holds the revision
# -x version_table_schema=...  and its schema
from alembic import context
from sqlalchemy import create_engine, pool

x = context.get_x_argument(as_dictionary=True)
engine = create_engine(
    x["url"].replace("postgres://", "postgresql://", 1),
    poolclass=pool.NullPool,
    future=x.get("future") == "1",
)

with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=None,
        version_table=x.get("version_table", "alembic_version"),
        version_table_schema=x.get("version_table_schema"),
        transaction_per_migration=x.get("per_migration") == "1",
    )
    with context.begin_transaction():
        context.run_migrations()
