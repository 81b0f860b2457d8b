"""initial

Revision ID: 001_initial
Revises:
Create Date: 2024-12-01 00:00:00
"""
import sqlalchemy as sa
from alembic import op

revision = "001_initial"
down_revision = None


def upgrade():
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("body", sa.Text))


def downgrade():
    op.drop_table("notes")
