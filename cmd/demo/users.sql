-- What the demo needs of the API's own revisions, as they leave a database at 003_add_users.
CREATE TABLE alembic_version (
    version_num varchar(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email varchar NOT NULL UNIQUE
);
INSERT INTO alembic_version VALUES ('003_add_users');
