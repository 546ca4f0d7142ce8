"""People, organizations, keys, the audit trail and the application's role."""

from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

revision = "0001_identity"
down_revision = None

TABLES = """
CREATE TABLE users (
    id UUID NOT NULL,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    platform_role TEXT NOT NULL,
    email_verified_at timestamptz,
    timezone TEXT NOT NULL,
    theme TEXT NOT NULL,
    last_org_id UUID,
    last_seen_at timestamptz,
    disabled_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_platform_role CHECK (platform_role IN ('standard', 'platform_manager')),
    CONSTRAINT ck_users_theme CHECK (theme IN ('system', 'light', 'dark'))
);

CREATE UNIQUE INDEX uq_users_email ON users (lower(email));

CREATE TABLE user_sessions (
    id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    csrf_token TEXT,
    user_id UUID,
    state JSONB NOT NULL,
    ip TEXT,
    user_agent TEXT,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    reauthenticated_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT pk_user_sessions PRIMARY KEY (id),
    CONSTRAINT uq_user_sessions_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_user_sessions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE INDEX ix_user_sessions_expires_at ON user_sessions (expires_at);

CREATE INDEX ix_user_sessions_user_id ON user_sessions (user_id);

CREATE TABLE personal_tokens (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    last_used_ip TEXT,
    revoked_at timestamptz,
    CONSTRAINT pk_personal_tokens PRIMARY KEY (id),
    CONSTRAINT fk_personal_tokens_user_id_users FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT uq_personal_tokens_secret_hash UNIQUE (secret_hash)
);

CREATE INDEX ix_personal_tokens_user_id ON personal_tokens (user_id);

CREATE TABLE rate_buckets (
    key TEXT NOT NULL,
    window_start timestamptz NOT NULL,
    count INTEGER NOT NULL,
    CONSTRAINT pk_rate_buckets PRIMARY KEY (key, window_start)
);

CREATE TABLE leases (
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    until timestamptz NOT NULL,
    CONSTRAINT pk_leases PRIMARY KEY (name)
);

CREATE TABLE organizations (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    timezone TEXT NOT NULL,
    kind TEXT NOT NULL,
    funding TEXT NOT NULL,
    return_hosts TEXT[] NOT NULL,
    suspended_at timestamptz,
    closed_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_organizations PRIMARY KEY (id),
    CONSTRAINT ck_organizations_kind CHECK (kind IN ('personal', 'team', 'platform')),
    CONSTRAINT ck_organizations_funding CHECK (funding IN ('platform', 'own'))
);

CREATE TABLE org_directory (
    org_id UUID NOT NULL,
    slug TEXT NOT NULL,
    external_key TEXT,
    CONSTRAINT pk_org_directory PRIMARY KEY (org_id),
    CONSTRAINT fk_org_directory_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id),
    CONSTRAINT uq_org_directory_slug UNIQUE (slug),
    CONSTRAINT uq_org_directory_external_key UNIQUE (external_key)
);

CREATE TABLE memberships (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    user_id UUID NOT NULL,
    role TEXT NOT NULL,
    removed_at timestamptz,
    CONSTRAINT pk_memberships PRIMARY KEY (org_id, id),
    CONSTRAINT fk_memberships_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE
        RESTRICT,
    CONSTRAINT ck_memberships_role CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    CONSTRAINT fk_memberships_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE INDEX ix_memberships_user_id ON memberships (user_id);

CREATE UNIQUE INDEX uq_memberships_org_id_user_id ON memberships (org_id, user_id) WHERE removed_at IS NULL;

CREATE TABLE api_keys (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    mode TEXT NOT NULL,
    created_by UUID,
    expires_at timestamptz,
    last_used_at timestamptz,
    last_used_ip TEXT,
    revoked_at timestamptz,
    CONSTRAINT pk_api_keys PRIMARY KEY (org_id, id),
    CONSTRAINT fk_api_keys_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE
        RESTRICT,
    CONSTRAINT ck_api_keys_mode CHECK (mode IN ('test', 'live')),
    CONSTRAINT fk_api_keys_created_by_users FOREIGN KEY(created_by) REFERENCES users (id)
);

CREATE UNIQUE INDEX uq_api_keys_org_id_secret_hash ON api_keys (org_id, secret_hash);

CREATE TABLE audit_entries (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    before JSONB,
    after JSONB,
    reason TEXT,
    ip TEXT,
    request_id TEXT,
    CONSTRAINT pk_audit_entries PRIMARY KEY (org_id, id),
    CONSTRAINT fk_audit_entries_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE
        RESTRICT
);
"""

IMMUTABLE = """
CREATE FUNCTION coffer_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON audit_entries
  FOR EACH ROW EXECUTE FUNCTION coffer_refuse_change();

CREATE TRIGGER immutable_whole BEFORE TRUNCATE ON audit_entries
  FOR EACH STATEMENT EXECUTE FUNCTION coffer_refuse_change();
"""

GRANTS = """
GRANT USAGE ON SCHEMA public TO coffer_app;

GRANT SELECT ON alembic_version TO coffer_app;

GRANT SELECT, INSERT, UPDATE ON users, user_sessions, personal_tokens, rate_buckets, leases, organizations,
  org_directory, memberships, api_keys TO coffer_app;

GRANT DELETE ON user_sessions, rate_buckets TO coffer_app;

GRANT SELECT, INSERT ON audit_entries TO coffer_app;
"""

PLATFORM_ORG = """
INSERT INTO organizations (id, name, slug, timezone, kind, funding, return_hosts, created_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'Platform', 'platform', 'UTC', 'platform', 'platform', '{}', now());

INSERT INTO org_directory (org_id, slug) VALUES ('00000000-0000-7000-8000-000000000001', 'platform');
"""


def make_role() -> None:
    """The role the application works as. Where making it is refused, say which statement a superuser must run."""
    bind = op.get_bind()
    have = bind.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = 'coffer_app'"))
    try:
        with bind.begin_nested():
            if not have:
                bind.execute(text("CREATE ROLE coffer_app NOLOGIN"))
            bind.execute(text("GRANT coffer_app TO CURRENT_USER"))
    except DBAPIError as error:
        member = bind.scalar(text("SELECT pg_has_role(current_user, 'coffer_app', 'member')")) if have else False
        if not member:
            user = bind.scalar(text("SELECT quote_ident(current_user)"))
            raise SystemExit(
                "This database role may not make the application's role. As a superuser, run once:\n"
                f"  CREATE ROLE coffer_app NOLOGIN; GRANT coffer_app TO {user};"
            ) from error


def upgrade() -> None:
    make_role()
    for block in (TABLES, IMMUTABLE, GRANTS, PLATFORM_ORG):
        op.execute(block)
