"""add tags

Revision ID: 002_add_tags
Revises: 001_initial
Create Date: 2024-12-10 00:00:00
"""
import sqlalchemy as sa
from alembic import op

revision = "002_add_tags"
down_revision = "001_initial"


def upgrade():
    op.add_column("notes", sa.Column("tags", sa.Text))


def downgrade():
    op.drop_column("notes", "tags")
