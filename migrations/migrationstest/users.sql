-- A database as the API's own chain of revisions leaves it at 003_add_users.
CREATE TABLE alembic_version (
    version_num varchar(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE users (
    id uuid NOT NULL,
    email varchar NOT NULL,
    hashed_password varchar NOT NULL DEFAULT '', -- the default is ours: a test that needs an owner of tokens names no more
    is_active boolean NOT NULL DEFAULT true,
    is_superuser boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX ix_users_email ON users (email);
INSERT INTO alembic_version VALUES ('003_add_users');
