-- Alembic's own table of where a database stands, name for name as Alembic 1.x makes it. Made with the names put in for
-- those that stand here.
CREATE TABLE alembic_version (
    version_num varchar(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
