"""Invites, proofs by mail, second factors, end users and their identity providers, spend limits of keys."""

from alembic import op

revision = "0021_people"
down_revision = "0020_dismissed_mail"

STATEMENTS = """
ALTER TABLE users
    ADD COLUMN totp_secret TEXT,
    ADD COLUMN totp_enabled_at timestamptz,
    ADD COLUMN totp_last_step BIGINT,
    ADD COLUMN password_changed_at timestamptz,
    ADD COLUMN keyboard BOOLEAN NOT NULL DEFAULT true,
    ADD COLUMN erased_at timestamptz;

CREATE TABLE user_proofs (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    email TEXT NOT NULL,
    change_id UUID,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_user_proofs PRIMARY KEY (id),
    CONSTRAINT uq_user_proofs_token_hash UNIQUE (token_hash),
    CONSTRAINT ck_user_proofs_purpose CHECK (purpose IN ('verify', 'reset', 'change_from', 'change_to')),
    CONSTRAINT fk_user_proofs_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE INDEX ix_user_proofs_user_id ON user_proofs (user_id);

CREATE TABLE recovery_codes (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    code_hash BYTEA NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_recovery_codes PRIMARY KEY (id),
    CONSTRAINT fk_recovery_codes_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE UNIQUE INDEX uq_recovery_codes_user_id_code_hash ON recovery_codes (user_id, code_hash);

ALTER TABLE organizations
    ADD COLUMN billing_email TEXT,
    ADD COLUMN billing_address TEXT,
    ADD COLUMN tax_id TEXT;

ALTER TABLE memberships ADD COLUMN last_seen_at timestamptz;

CREATE TABLE invites (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    invited_by UUID,
    sent_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state TEXT NOT NULL,
    ended_at timestamptz,
    accepted_by UUID,
    CONSTRAINT pk_invites PRIMARY KEY (org_id, id),
    CONSTRAINT ck_invites_role CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    CONSTRAINT ck_invites_state CHECK (state IN ('pending', 'accepted', 'declined', 'revoked')),
    CONSTRAINT fk_invites_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE RESTRICT,
    CONSTRAINT fk_invites_invited_by_users FOREIGN KEY(invited_by) REFERENCES users (id),
    CONSTRAINT fk_invites_accepted_by_users FOREIGN KEY(accepted_by) REFERENCES users (id)
);
CREATE UNIQUE INDEX uq_invites_org_id_token_hash ON invites (org_id, token_hash);
CREATE UNIQUE INDEX uq_invites_org_id_email ON invites (org_id, lower(email)) WHERE state = 'pending';

ALTER TABLE api_keys
    ADD COLUMN replaces_id UUID,
    ADD COLUMN revoked_by UUID,
    ADD CONSTRAINT fk_api_keys_org_id_replaces_id_api_keys FOREIGN KEY(org_id, replaces_id)
        REFERENCES api_keys (org_id, id) ON DELETE RESTRICT;

CREATE TABLE limits (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    scope TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    "window" TEXT NOT NULL,
    amount BIGINT NOT NULL,
    ended_at timestamptz,
    CONSTRAINT pk_limits PRIMARY KEY (org_id, id),
    CONSTRAINT ck_limits_scope CHECK (scope IN ('key')),
    CONSTRAINT ck_limits_window CHECK ("window" IN ('day', 'month')),
    CONSTRAINT ck_limits_amount CHECK (amount > 0),
    CONSTRAINT fk_limits_org_id_organizations FOREIGN KEY(org_id) REFERENCES organizations (id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_limits_org_id_scope ON limits (org_id, scope, scope_id, "window") WHERE ended_at IS NULL;

CREATE TABLE limit_windows (
    org_id UUID NOT NULL,
    limit_id UUID NOT NULL,
    window_start DATE NOT NULL,
    spent BIGINT NOT NULL,
    CONSTRAINT pk_limit_windows PRIMARY KEY (org_id, limit_id, window_start),
    CONSTRAINT ck_limit_windows_spent CHECK (spent >= 0),
    CONSTRAINT fk_limit_windows_org_id_limit_id_limits FOREIGN KEY(org_id, limit_id)
        REFERENCES limits (org_id, id) ON DELETE RESTRICT
);

CREATE TABLE identity_providers (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    mode TEXT NOT NULL,
    issuer TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    jwks_url TEXT,
    jwks JSONB,
    secret TEXT,
    fetched_at timestamptz,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_identity_providers PRIMARY KEY (org_id, id),
    CONSTRAINT ck_identity_providers_mode CHECK (mode IN ('test', 'live')),
    CONSTRAINT ck_identity_providers_algorithm CHECK (algorithm IN ('RS256', 'ES256', 'EdDSA', 'HS256')),
    CONSTRAINT ck_identity_providers_key CHECK ((algorithm = 'HS256') = (secret IS NOT NULL)
        AND (algorithm = 'HS256' OR jwks_url IS NOT NULL OR jwks IS NOT NULL)),
    CONSTRAINT fk_identity_providers_org_id_organizations FOREIGN KEY(org_id)
        REFERENCES organizations (id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_identity_providers_org_id_mode ON identity_providers (org_id, mode);

CREATE TABLE end_users (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at timestamptz NOT NULL,
    mode TEXT NOT NULL,
    subject TEXT NOT NULL,
    last_seen_at timestamptz,
    CONSTRAINT pk_end_users PRIMARY KEY (org_id, id),
    CONSTRAINT ck_end_users_mode CHECK (mode IN ('test', 'live')),
    CONSTRAINT fk_end_users_org_id_organizations FOREIGN KEY(org_id)
        REFERENCES organizations (id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_end_users_org_id_mode_subject ON end_users (org_id, mode, subject);

ALTER TABLE outbox_emails ADD COLUMN secret TEXT;

CREATE INDEX ix_audit_entries_id ON audit_entries (id);
CREATE INDEX ix_audit_entries_actor ON audit_entries (org_id, actor_id, id);

GRANT SELECT, INSERT, UPDATE, DELETE ON user_proofs, recovery_codes, identity_providers, limit_windows TO coffer_app;
GRANT SELECT, INSERT, UPDATE ON invites, limits, end_users TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
