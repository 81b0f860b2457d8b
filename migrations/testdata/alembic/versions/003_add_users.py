"""add users

Revision ID: 003_add_users
Revises: 002_add_tags
Create Date: 2024-12-20 00:00:00
"""
import os
import sys

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))
from gate import gate

revision = "003_add_users"
down_revision = "002_add_tags"


def upgrade():
    op.create_table(
        "users",
        sa.Column("id", postgresql.UUID(as_uuid=True), primary_key=True),
        sa.Column("email", sa.String, nullable=False, unique=True),
    )
    gate("003")


def downgrade():
    op.drop_table("users")
