-- A database as the API's own revisions leave it at 003_add_users, with a thousand users.
CREATE TABLE alembic_version (
    version_num varchar(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version VALUES ('003_add_users');

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email varchar NOT NULL UNIQUE
);
INSERT INTO users SELECT gen_random_uuid(), 'user' || n || '@example.org' FROM generate_series(1, 1000) n;
