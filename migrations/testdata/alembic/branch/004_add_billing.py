"""add billing

Revision ID: 004_add_billing
Revises: 003_add_users
Create Date: 2025-02-01 00:00:00
"""
import sqlalchemy as sa
from alembic import op

revision = "004_add_billing"
down_revision = "003_add_users"
branch_labels = ("billing",)


def upgrade():
    op.create_table("invoices", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table("invoices")
