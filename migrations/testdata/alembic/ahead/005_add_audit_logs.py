"""add audit logs

Revision ID: 005_add_audit_logs
Revises: 004_add_refresh_tokens
Create Date: 2025-01-10 00:00:00
"""
import sqlalchemy as sa
from alembic import op

revision = "005_add_audit_logs"
down_revision = "004_add_refresh_tokens"


def upgrade():
    op.create_table("audit_logs", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("audit_logs")
