--
-- PostgreSQL database dump
--

\restrict x

-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: coffer_refuse_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.coffer_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;


--
-- Name: counted_app(uuid, uuid, date, text, text, integer, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.counted_app(of_org uuid, of_wallet uuid, on_day date, of_type text, named text, most integer, rest text) RETURNS text
    LANGUAGE plpgsql
    AS $$
BEGIN
  RETURN coalesce((
    SELECT d.app FROM wallet_days AS d WHERE d.org_id = of_org AND d.wallet_id = of_wallet AND d.day = on_day
      AND d.type = of_type AND d.app IN (named, rest) ORDER BY d.app = named DESC LIMIT 1
  ), CASE WHEN most > (
    SELECT count(*) FROM (
      SELECT d.app FROM wallet_days AS d WHERE d.org_id = of_org AND d.wallet_id = of_wallet AND d.day = on_day
        AND d.app > '' AND d.app <> rest
      ORDER BY d.org_id, d.wallet_id, d.day, d.type, d.app LIMIT most
    ) AS apps
  ) THEN named ELSE rest END);
END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: api_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_keys (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    mode text NOT NULL,
    created_by uuid,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    last_used_ip text,
    revoked_at timestamp with time zone,
    replaces_id uuid,
    revoked_by uuid,
    limit_id uuid,
    issued_by text DEFAULT 'org'::text NOT NULL,
    service boolean DEFAULT false NOT NULL,
    call_limit integer,
    CONSTRAINT ck_api_keys_call_limit CHECK (((call_limit >= 1) AND (call_limit <= 1000000))),
    CONSTRAINT ck_api_keys_issued_by CHECK ((issued_by = ANY (ARRAY['org'::text, 'platform'::text]))),
    CONSTRAINT ck_api_keys_mode CHECK ((mode = ANY (ARRAY['test'::text, 'live'::text]))),
    CONSTRAINT ck_api_keys_service CHECK (((NOT service) OR ((issued_by = 'platform'::text) AND (org_id = '00000000-0000-7000-8000-000000000001'::uuid))))
);


--
-- Name: audit_entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_entries (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    object_kind text NOT NULL,
    object_id text NOT NULL,
    before jsonb,
    after jsonb,
    reason text,
    ip text,
    request_id text
);


--
-- Name: credit_grants; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.credit_grants (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    wallet_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    kind text NOT NULL,
    category text NOT NULL,
    amount bigint NOT NULL,
    priority integer NOT NULL,
    opened_seq bigint NOT NULL,
    expires_at timestamp with time zone,
    remaining bigint NOT NULL,
    CONSTRAINT ck_credit_grants_remaining CHECK (((remaining >= 0) AND (remaining <= amount))),
    CONSTRAINT ck_credit_grants_slice CHECK (((kind = ANY (ARRAY['paid'::text, 'promotional'::text])) AND (amount > 0)))
);


--
-- Name: customers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customers (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    mode text NOT NULL,
    account_id text NOT NULL,
    customer_id text NOT NULL
);


--
-- Name: dummy_sessions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.dummy_sessions (
    id text NOT NULL,
    key text NOT NULL,
    state text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    delivered_at timestamp with time zone,
    CONSTRAINT ck_dummy_sessions_state CHECK ((state = ANY (ARRAY['open'::text, 'paid'::text, 'declined'::text, 'expired'::text])))
);


--
-- Name: end_users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.end_users (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    mode text NOT NULL,
    subject text NOT NULL,
    last_seen_at timestamp with time zone,
    CONSTRAINT ck_end_users_mode CHECK ((mode = ANY (ARRAY['test'::text, 'live'::text])))
);


--
-- Name: first_answers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.first_answers (
    owner_id uuid NOT NULL,
    digest bytea NOT NULL,
    body_hash bytea NOT NULL,
    claim_id uuid NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    scopes text[] NOT NULL,
    acted boolean DEFAULT false NOT NULL,
    status integer,
    body text,
    made_id uuid
);


--
-- Name: former_slugs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.former_slugs (
    slug text NOT NULL,
    org_id uuid NOT NULL,
    given_up_at timestamp with time zone NOT NULL
);


--
-- Name: grant_burns; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.grant_burns (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    wallet_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    seq_from bigint NOT NULL,
    seq_to bigint NOT NULL,
    amount bigint NOT NULL,
    CONSTRAINT ck_grant_burns_range CHECK (((seq_from >= 1) AND (seq_to >= seq_from) AND (amount > 0)))
);


--
-- Name: hold_steps; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.hold_steps (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    hold_id uuid NOT NULL,
    mode text NOT NULL,
    kind text NOT NULL,
    origin text NOT NULL,
    key text NOT NULL,
    body_hash bytea,
    actor_kind text NOT NULL,
    actor_id uuid,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_hold_steps_kind CHECK ((kind = ANY (ARRAY['opened'::text, 'extended'::text, 'captured'::text, 'released'::text, 'expired'::text])))
);


--
-- Name: holds; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.holds (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    wallet_id uuid NOT NULL,
    mode text NOT NULL,
    amount bigint NOT NULL,
    captured bigint NOT NULL,
    state text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    description text NOT NULL,
    app text NOT NULL,
    member_id uuid,
    actor_kind text NOT NULL,
    actor_id uuid,
    transaction_id uuid,
    limits jsonb NOT NULL,
    CONSTRAINT ck_holds_amounts CHECK (((amount > 0) AND (captured >= 0))),
    CONSTRAINT ck_holds_captured CHECK (((state = 'captured'::text) = (captured > 0))),
    CONSTRAINT ck_holds_ended CHECK (((state = 'open'::text) = (ended_at IS NULL))),
    CONSTRAINT ck_holds_state CHECK ((state = ANY (ARRAY['open'::text, 'captured'::text, 'released'::text, 'expired'::text])))
);


--
-- Name: identity_providers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.identity_providers (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    mode text NOT NULL,
    issuer text NOT NULL,
    algorithm text NOT NULL,
    jwks_url text,
    jwks jsonb,
    secret text,
    fetched_at timestamp with time zone,
    updated_at timestamp with time zone NOT NULL,
    tried_at timestamp with time zone,
    fetch_error text,
    CONSTRAINT ck_identity_providers_algorithm CHECK ((algorithm = ANY (ARRAY['RS256'::text, 'ES256'::text, 'EdDSA'::text, 'HS256'::text]))),
    CONSTRAINT ck_identity_providers_key CHECK ((((algorithm = 'HS256'::text) = (secret IS NOT NULL)) AND ((algorithm = 'HS256'::text) OR (jwks_url IS NOT NULL) OR (jwks IS NOT NULL)))),
    CONSTRAINT ck_identity_providers_mode CHECK ((mode = ANY (ARRAY['test'::text, 'live'::text])))
);


--
-- Name: inbox_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.inbox_events (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    provider text NOT NULL,
    mode text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    payload bytea NOT NULL,
    state text NOT NULL,
    deliveries integer NOT NULL,
    attempts integer NOT NULL,
    next_attempt_at timestamp with time zone,
    retry_requested_at timestamp with time zone,
    error text,
    effects jsonb,
    finished_at timestamp with time zone,
    CONSTRAINT ck_inbox_events_state CHECK ((state = ANY (ARRAY['received'::text, 'processed'::text, 'ignored'::text, 'failed'::text, 'parked'::text])))
);


--
-- Name: inbox_tries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.inbox_tries (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    inbox_event_id uuid NOT NULL,
    number integer NOT NULL,
    worker text NOT NULL,
    duration_ms integer NOT NULL,
    result text NOT NULL,
    error text
);


--
-- Name: invites; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.invites (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    token_hash bytea NOT NULL,
    invited_by uuid,
    sent_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    ended_at timestamp with time zone,
    accepted_by uuid,
    CONSTRAINT ck_invites_role CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'viewer'::text]))),
    CONSTRAINT ck_invites_state CHECK ((state = ANY (ARRAY['pending'::text, 'accepted'::text, 'declined'::text, 'revoked'::text])))
);


--
-- Name: known_devices; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.known_devices (
    user_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL
);


--
-- Name: leases; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.leases (
    name text NOT NULL,
    holder text NOT NULL,
    token integer NOT NULL,
    until timestamp with time zone NOT NULL
);


--
-- Name: ledger_seals; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_seals (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    wallet_id uuid NOT NULL,
    seq_from bigint NOT NULL,
    seq_to bigint NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    checksums bytea NOT NULL,
    CONSTRAINT ck_ledger_seals_block CHECK (((seq_from >= 1) AND (seq_to >= seq_from)))
);


--
-- Name: limit_alerts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.limit_alerts (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    limit_id uuid NOT NULL,
    window_start date NOT NULL,
    amount bigint NOT NULL,
    spent bigint NOT NULL
);


--
-- Name: limit_windows; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.limit_windows (
    org_id uuid NOT NULL,
    limit_id uuid NOT NULL,
    window_start date NOT NULL,
    spent bigint NOT NULL,
    CONSTRAINT ck_limit_windows_spent CHECK ((spent >= 0))
);


--
-- Name: limits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.limits (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    scope text NOT NULL,
    scope_id text NOT NULL,
    "window" text NOT NULL,
    amount bigint NOT NULL,
    ended_at timestamp with time zone,
    imposed boolean DEFAULT false NOT NULL,
    mode text NOT NULL,
    hard boolean DEFAULT true NOT NULL,
    CONSTRAINT ck_limits_amount CHECK ((amount > 0)),
    CONSTRAINT ck_limits_mode CHECK ((mode = ANY (ARRAY['test'::text, 'live'::text]))),
    CONSTRAINT ck_limits_scope CHECK ((scope = ANY (ARRAY['key'::text, 'member'::text, 'app'::text, 'org'::text]))),
    CONSTRAINT ck_limits_window CHECK (("window" = ANY (ARRAY['day'::text, 'week'::text, 'month'::text])))
);


--
-- Name: memberships; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.memberships (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    removed_at timestamp with time zone,
    last_seen_at timestamp with time zone,
    CONSTRAINT ck_memberships_role CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'viewer'::text])))
);


--
-- Name: metrics; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.metrics (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    archived_at timestamp with time zone,
    when_unpriced text DEFAULT 'refuse'::text NOT NULL,
    CONSTRAINT ck_metrics_when_unpriced CHECK ((when_unpriced = ANY (ARRAY['refuse'::text, 'park'::text])))
);


--
-- Name: notices; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.notices (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    step integer NOT NULL,
    amount bigint NOT NULL,
    CONSTRAINT ck_notices_kind CHECK ((kind = 'expiry'::text))
);


--
-- Name: org_directory; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.org_directory (
    org_id uuid NOT NULL,
    slug text NOT NULL,
    external_key text,
    external_key_confirmed_at timestamp with time zone,
    CONSTRAINT ck_org_directory_confirmed_key CHECK (((external_key IS NOT NULL) OR (external_key_confirmed_at IS NULL)))
);


--
-- Name: organizations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.organizations (
    id uuid NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    timezone text NOT NULL,
    kind text NOT NULL,
    funding text NOT NULL,
    return_hosts text[] NOT NULL,
    suspended_at timestamp with time zone,
    closed_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    billing_email text,
    billing_address text,
    tax_id text,
    has_limits boolean DEFAULT false NOT NULL,
    CONSTRAINT ck_organizations_funding CHECK ((funding = ANY (ARRAY['platform'::text, 'own'::text]))),
    CONSTRAINT ck_organizations_kind CHECK ((kind = ANY (ARRAY['personal'::text, 'team'::text, 'platform'::text])))
);


--
-- Name: outbox_emails; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox_emails (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    key text NOT NULL,
    event text NOT NULL,
    to_address text NOT NULL,
    context jsonb NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL,
    next_attempt_at timestamp with time zone,
    error text,
    sent_at timestamp with time zone,
    secret text,
    CONSTRAINT ck_outbox_emails_state CHECK ((state = ANY (ARRAY['waiting'::text, 'sent'::text, 'failed'::text, 'parked'::text, 'dismissed'::text])))
);


--
-- Name: payments; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.payments (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    kind text NOT NULL,
    provider text NOT NULL,
    mode text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    product_id uuid NOT NULL,
    version_id uuid NOT NULL,
    name text NOT NULL,
    quantity integer NOT NULL,
    unit_price_minor bigint NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    grant_micros bigint NOT NULL,
    bonus_micros bigint NOT NULL,
    provider_price_id text,
    success_url text NOT NULL,
    cancel_url text NOT NULL,
    customer_id text,
    session_id text,
    session_url text,
    intent_id text,
    invoice_id text,
    total_minor bigint,
    discount_minor bigint,
    tax_minor bigint,
    problem text,
    transaction_id uuid,
    paid_at timestamp with time zone,
    credited_at timestamp with time zone,
    changed_at timestamp with time zone NOT NULL,
    grant_kind text NOT NULL,
    promotion_code text,
    decline_code text,
    opened_at timestamp with time zone,
    next_check_at timestamp with time zone,
    checks integer NOT NULL,
    promotion_id text,
    expires_days integer,
    paid_currency text,
    bonus_expires_days integer DEFAULT 0 NOT NULL,
    bonus_priority integer DEFAULT 0 NOT NULL,
    CONSTRAINT ck_payments_amount CHECK ((((quantity >= 1) AND (quantity <= 100)) AND (amount_minor = (unit_price_minor * quantity)))),
    CONSTRAINT ck_payments_credited CHECK (((state = 'credited'::text) = (transaction_id IS NOT NULL))),
    CONSTRAINT ck_payments_state CHECK ((state = ANY (ARRAY['created'::text, 'unknown'::text, 'pending'::text, 'paid'::text, 'credited'::text, 'failed'::text, 'expired'::text, 'review'::text])))
);


--
-- Name: personal_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.personal_tokens (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    last_used_ip text,
    revoked_at timestamp with time zone
);


--
-- Name: platform_figures; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.platform_figures (
    mode text NOT NULL,
    counted_at timestamp with time zone NOT NULL,
    figures jsonb NOT NULL
);


--
-- Name: prices; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.prices (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    metric_key text NOT NULL,
    kind text NOT NULL,
    amount_micros bigint NOT NULL,
    per_units bigint NOT NULL,
    tiers jsonb,
    free_units bigint NOT NULL,
    period text NOT NULL,
    effective_from timestamp with time zone NOT NULL,
    min_micros bigint,
    max_micros bigint,
    CONSTRAINT ck_prices_amounts CHECK (((amount_micros >= 0) AND (per_units >= 1) AND (free_units >= 0))),
    CONSTRAINT ck_prices_bounds CHECK (((num_nonnulls(min_micros, max_micros) = 0) OR ((kind = 'per_event'::text) AND (min_micros >= 0) AND (max_micros >= COALESCE(min_micros, (0)::bigint))))),
    CONSTRAINT ck_prices_kind CHECK (((kind = ANY (ARRAY['flat'::text, 'graduated'::text, 'package'::text, 'per_event'::text])) AND ((kind = 'graduated'::text) = (tiers IS NOT NULL)))),
    CONSTRAINT ck_prices_per_event CHECK (((kind <> 'per_event'::text) OR ((free_units = 0) AND (period = 'none'::text)))),
    CONSTRAINT ck_prices_period CHECK ((period = ANY (ARRAY['none'::text, 'day'::text, 'month'::text])))
);


--
-- Name: product_versions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.product_versions (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    product_id uuid NOT NULL,
    number integer NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    grant_micros bigint NOT NULL,
    bonus_micros bigint NOT NULL,
    provider_price_id text,
    min_quantity integer NOT NULL,
    max_quantity integer NOT NULL,
    grant_kind text NOT NULL,
    expires_days integer,
    bonus_expires_days integer DEFAULT 0 NOT NULL,
    bonus_priority integer DEFAULT 0 NOT NULL,
    CONSTRAINT ck_product_versions_amounts CHECK (((price_minor > 0) AND (grant_micros > 0) AND (bonus_micros >= 0))),
    CONSTRAINT ck_product_versions_bonus_terms CHECK ((((bonus_expires_days >= 0) AND (bonus_expires_days <= 3650)) AND ((bonus_priority >= 0) AND (bonus_priority <= 100)))),
    CONSTRAINT ck_product_versions_expires_days CHECK (((expires_days >= 1) AND (expires_days <= 3650))),
    CONSTRAINT ck_product_versions_grant_kind CHECK ((grant_kind = ANY (ARRAY['paid'::text, 'promotional'::text]))),
    CONSTRAINT ck_product_versions_quantities CHECK (((min_quantity >= 1) AND ((max_quantity >= min_quantity) AND (max_quantity <= 100))))
);


--
-- Name: products; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.products (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    active boolean NOT NULL,
    "position" integer NOT NULL,
    source text NOT NULL,
    revision integer NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_products_kind CHECK ((kind = 'pack'::text))
);


--
-- Name: provider_accounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.provider_accounts (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    provider text NOT NULL,
    mode text NOT NULL,
    account_id text NOT NULL,
    credentials text,
    publishable_key text NOT NULL,
    validated_at timestamp with time zone,
    active boolean NOT NULL,
    CONSTRAINT ck_provider_accounts_credentials CHECK (((org_id = '00000000-0000-7000-8000-000000000001'::uuid) = (credentials IS NULL))),
    CONSTRAINT ck_provider_accounts_mode CHECK ((mode = ANY (ARRAY['test'::text, 'live'::text]))),
    CONSTRAINT ck_provider_accounts_provider CHECK ((provider = ANY (ARRAY['stripe'::text, 'dummy'::text])))
);


--
-- Name: provider_prices; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.provider_prices (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    version_id uuid NOT NULL,
    provider text NOT NULL,
    mode text NOT NULL,
    account_id text NOT NULL,
    state text NOT NULL,
    product_ref text,
    price_ref text,
    seen jsonb,
    problem text,
    checked_at timestamp with time zone,
    next_check_at timestamp with time zone,
    CONSTRAINT ck_provider_prices_state CHECK ((state = ANY (ARRAY['wanted'::text, 'ready'::text, 'drift'::text, 'archived'::text])))
);


--
-- Name: rate_buckets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rate_buckets (
    key text NOT NULL,
    window_start timestamp with time zone NOT NULL,
    count integer NOT NULL
);


--
-- Name: recovery_codes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.recovery_codes (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone
);


--
-- Name: stored_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.stored_keys (
    name text NOT NULL,
    sealed text NOT NULL
);


--
-- Name: transactions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.transactions (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    wallet_id uuid NOT NULL,
    mode text NOT NULL,
    seq bigint NOT NULL,
    type text NOT NULL,
    amount bigint NOT NULL,
    balance_before bigint NOT NULL,
    balance_after bigint NOT NULL,
    origin text NOT NULL,
    key text NOT NULL,
    body_hash bytea,
    description text NOT NULL,
    reason text,
    actor_kind text NOT NULL,
    actor_id uuid,
    app text NOT NULL,
    member_id uuid,
    payment_id uuid,
    grant_id uuid,
    CONSTRAINT ck_transactions_directed CHECK (((grant_id IS NULL) OR (type = 'admin_removal'::text))),
    CONSTRAINT ck_transactions_sum CHECK (((amount <> 0) AND (balance_after = (balance_before + amount)))),
    CONSTRAINT ck_transactions_type CHECK ((type = ANY (ARRAY['purchase'::text, 'deposit'::text, 'recharge'::text, 'subscription_grant'::text, 'admin_grant'::text, 'renewal'::text, 'charge'::text, 'consumption'::text, 'expiry'::text, 'admin_removal'::text, 'refund'::text, 'dispute'::text, 'transfer'::text, 'reversal'::text])))
);
ALTER TABLE ONLY public.transactions ALTER COLUMN org_id SET (n_distinct=100);


--
-- Name: usage_counters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_counters (
    org_id uuid NOT NULL,
    wallet_id uuid NOT NULL,
    day date NOT NULL,
    metric_key text NOT NULL,
    dimension text NOT NULL,
    value text NOT NULL,
    units bigint NOT NULL,
    cost bigint NOT NULL,
    events bigint NOT NULL,
    CONSTRAINT ck_usage_counters_dimension CHECK ((dimension = ANY (ARRAY['all'::text, 'hour'::text, 'app'::text, 'member'::text, 'key'::text])))
)
WITH (fillfactor='50');


--
-- Name: usage_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_events (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    wallet_id uuid NOT NULL,
    mode text NOT NULL,
    metric_key text NOT NULL,
    units bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    app text NOT NULL,
    member_id uuid,
    api_key_id uuid,
    properties jsonb NOT NULL,
    price_id uuid,
    period_start date,
    units_after bigint,
    cost bigint,
    transaction_id uuid,
    state text DEFAULT 'charged'::text NOT NULL,
    voided_at timestamp with time zone,
    void_reason text,
    credited bigint,
    void_transaction_id uuid,
    CONSTRAINT ck_usage_events_charged CHECK (((cost = 0) OR (transaction_id IS NOT NULL))),
    CONSTRAINT ck_usage_events_state CHECK (((state = ANY (ARRAY['charged'::text, 'uncharged'::text, 'unpriced'::text])) AND (num_nonnulls(price_id, period_start, units_after, cost) =
CASE state
    WHEN 'charged'::text THEN 4
    ELSE 0
END))),
    CONSTRAINT ck_usage_events_units CHECK (((units > 0) AND (cost >= 0) AND (units_after >= units))),
    CONSTRAINT ck_usage_events_voided CHECK ((((voided_at IS NULL) = (credited IS NULL)) AND (credited >= 0) AND ((credited > 0) = (void_transaction_id IS NOT NULL))))
);
ALTER TABLE ONLY public.usage_events ALTER COLUMN org_id SET (n_distinct=100);


--
-- Name: usage_positions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_positions (
    org_id uuid NOT NULL,
    wallet_id uuid NOT NULL,
    metric_key text NOT NULL,
    period_start date NOT NULL,
    price_id uuid NOT NULL,
    start bigint NOT NULL,
    units bigint NOT NULL,
    cost bigint NOT NULL,
    CONSTRAINT ck_usage_positions_sums CHECK (((start >= 0) AND (units >= 0) AND (cost >= 0)))
);


--
-- Name: user_follow_ups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.user_follow_ups (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    org_id uuid NOT NULL,
    act text NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_user_follow_ups_act CHECK ((act = ANY (ARRAY['disabled'::text, 'enabled'::text, 'erased'::text, 'manager_removed'::text])))
);


--
-- Name: user_proofs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.user_proofs (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    purpose text NOT NULL,
    token_hash bytea NOT NULL,
    email text NOT NULL,
    change_id uuid,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT ck_user_proofs_purpose CHECK ((purpose = ANY (ARRAY['verify'::text, 'reset'::text, 'change_from'::text, 'change_to'::text])))
);


--
-- Name: user_sessions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.user_sessions (
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    csrf_token text,
    user_id uuid,
    state jsonb NOT NULL,
    ip text,
    user_agent text,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    reauthenticated_at timestamp with time zone,
    revoked_at timestamp with time zone
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    platform_role text NOT NULL,
    email_verified_at timestamp with time zone,
    timezone text NOT NULL,
    theme text NOT NULL,
    last_org_id uuid,
    last_seen_at timestamp with time zone,
    disabled_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    totp_secret text,
    totp_enabled_at timestamp with time zone,
    totp_last_step bigint,
    password_changed_at timestamp with time zone,
    keyboard boolean DEFAULT true NOT NULL,
    erased_at timestamp with time zone,
    CONSTRAINT ck_users_platform_role CHECK ((platform_role = ANY (ARRAY['standard'::text, 'platform_manager'::text]))),
    CONSTRAINT ck_users_theme CHECK ((theme = ANY (ARRAY['system'::text, 'light'::text, 'dark'::text])))
);


--
-- Name: wallet_days; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallet_days (
    org_id uuid NOT NULL,
    wallet_id uuid NOT NULL,
    day date NOT NULL,
    type text NOT NULL,
    app text NOT NULL,
    amount bigint NOT NULL,
    count bigint NOT NULL
)
WITH (fillfactor='50');


--
-- Name: wallets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallets (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    mode text NOT NULL,
    unit text NOT NULL,
    balance bigint NOT NULL,
    held bigint NOT NULL,
    seq bigint NOT NULL,
    overdraft_limit bigint NOT NULL,
    frozen_at timestamp with time zone,
    last_posted_at timestamp with time zone,
    next_expiry_at timestamp with time zone,
    settled_seq bigint NOT NULL,
    sealed_seq bigint DEFAULT 0 NOT NULL,
    membership_id uuid,
    team_id uuid,
    seat_id uuid,
    end_user_id uuid,
    level smallint GENERATED ALWAYS AS (
CASE
    WHEN (balance < 0) THEN 2
    WHEN ((balance - held) < 5000000) THEN 1
    ELSE NULL::integer
END) STORED,
    CONSTRAINT ck_wallets_floors CHECK (((held >= 0) AND (overdraft_limit >= 0))),
    CONSTRAINT ck_wallets_holder CHECK ((num_nonnulls(membership_id, team_id, seat_id, end_user_id) <= 1)),
    CONSTRAINT ck_wallets_mode CHECK ((mode = ANY (ARRAY['test'::text, 'live'::text])))
)
WITH (fillfactor='50');
ALTER TABLE ONLY public.wallets ALTER COLUMN org_id SET (n_distinct=-0.1);


--
-- Name: welcomed_addresses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.welcomed_addresses (
    address_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    keyed boolean DEFAULT false NOT NULL
);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: api_keys pk_api_keys; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT pk_api_keys PRIMARY KEY (org_id, id);


--
-- Name: audit_entries pk_audit_entries; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_entries
    ADD CONSTRAINT pk_audit_entries PRIMARY KEY (org_id, id);


--
-- Name: credit_grants pk_credit_grants; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credit_grants
    ADD CONSTRAINT pk_credit_grants PRIMARY KEY (org_id, id);


--
-- Name: customers pk_customers; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT pk_customers PRIMARY KEY (org_id, id);


--
-- Name: dummy_sessions pk_dummy_sessions; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.dummy_sessions
    ADD CONSTRAINT pk_dummy_sessions PRIMARY KEY (id);


--
-- Name: end_users pk_end_users; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.end_users
    ADD CONSTRAINT pk_end_users PRIMARY KEY (org_id, id);


--
-- Name: first_answers pk_first_answers; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.first_answers
    ADD CONSTRAINT pk_first_answers PRIMARY KEY (owner_id, digest);


--
-- Name: former_slugs pk_former_slugs; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.former_slugs
    ADD CONSTRAINT pk_former_slugs PRIMARY KEY (slug);


--
-- Name: grant_burns pk_grant_burns; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grant_burns
    ADD CONSTRAINT pk_grant_burns PRIMARY KEY (org_id, id);


--
-- Name: hold_steps pk_hold_steps; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.hold_steps
    ADD CONSTRAINT pk_hold_steps PRIMARY KEY (org_id, id);


--
-- Name: holds pk_holds; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT pk_holds PRIMARY KEY (org_id, id);


--
-- Name: identity_providers pk_identity_providers; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.identity_providers
    ADD CONSTRAINT pk_identity_providers PRIMARY KEY (org_id, id);


--
-- Name: inbox_events pk_inbox_events; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbox_events
    ADD CONSTRAINT pk_inbox_events PRIMARY KEY (org_id, id);


--
-- Name: inbox_tries pk_inbox_tries; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbox_tries
    ADD CONSTRAINT pk_inbox_tries PRIMARY KEY (org_id, id);


--
-- Name: invites pk_invites; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT pk_invites PRIMARY KEY (org_id, id);


--
-- Name: known_devices pk_known_devices; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.known_devices
    ADD CONSTRAINT pk_known_devices PRIMARY KEY (user_id, token_hash);


--
-- Name: leases pk_leases; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.leases
    ADD CONSTRAINT pk_leases PRIMARY KEY (name);


--
-- Name: ledger_seals pk_ledger_seals; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_seals
    ADD CONSTRAINT pk_ledger_seals PRIMARY KEY (org_id, id);


--
-- Name: limit_alerts pk_limit_alerts; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limit_alerts
    ADD CONSTRAINT pk_limit_alerts PRIMARY KEY (org_id, id);


--
-- Name: limit_windows pk_limit_windows; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limit_windows
    ADD CONSTRAINT pk_limit_windows PRIMARY KEY (org_id, limit_id, window_start);


--
-- Name: limits pk_limits; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT pk_limits PRIMARY KEY (org_id, id);


--
-- Name: memberships pk_memberships; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT pk_memberships PRIMARY KEY (org_id, id);


--
-- Name: metrics pk_metrics; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.metrics
    ADD CONSTRAINT pk_metrics PRIMARY KEY (org_id, id);


--
-- Name: notices pk_notices; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.notices
    ADD CONSTRAINT pk_notices PRIMARY KEY (org_id, id);


--
-- Name: org_directory pk_org_directory; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.org_directory
    ADD CONSTRAINT pk_org_directory PRIMARY KEY (org_id);


--
-- Name: organizations pk_organizations; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.organizations
    ADD CONSTRAINT pk_organizations PRIMARY KEY (id);


--
-- Name: outbox_emails pk_outbox_emails; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox_emails
    ADD CONSTRAINT pk_outbox_emails PRIMARY KEY (org_id, id);


--
-- Name: payments pk_payments; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT pk_payments PRIMARY KEY (org_id, id);


--
-- Name: personal_tokens pk_personal_tokens; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT pk_personal_tokens PRIMARY KEY (id);


--
-- Name: platform_figures pk_platform_figures; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.platform_figures
    ADD CONSTRAINT pk_platform_figures PRIMARY KEY (mode);


--
-- Name: prices pk_prices; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.prices
    ADD CONSTRAINT pk_prices PRIMARY KEY (org_id, id);


--
-- Name: product_versions pk_product_versions; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.product_versions
    ADD CONSTRAINT pk_product_versions PRIMARY KEY (org_id, id);


--
-- Name: products pk_products; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.products
    ADD CONSTRAINT pk_products PRIMARY KEY (org_id, id);


--
-- Name: provider_accounts pk_provider_accounts; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.provider_accounts
    ADD CONSTRAINT pk_provider_accounts PRIMARY KEY (org_id, id);


--
-- Name: provider_prices pk_provider_prices; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.provider_prices
    ADD CONSTRAINT pk_provider_prices PRIMARY KEY (org_id, id);


--
-- Name: rate_buckets pk_rate_buckets; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rate_buckets
    ADD CONSTRAINT pk_rate_buckets PRIMARY KEY (key, window_start);


--
-- Name: recovery_codes pk_recovery_codes; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT pk_recovery_codes PRIMARY KEY (id);


--
-- Name: stored_keys pk_stored_keys; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stored_keys
    ADD CONSTRAINT pk_stored_keys PRIMARY KEY (name);


--
-- Name: transactions pk_transactions; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.transactions
    ADD CONSTRAINT pk_transactions PRIMARY KEY (org_id, id);


--
-- Name: usage_counters pk_usage_counters; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_counters
    ADD CONSTRAINT pk_usage_counters PRIMARY KEY (org_id, wallet_id, dimension, day, metric_key, value);


--
-- Name: usage_events pk_usage_events; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_events
    ADD CONSTRAINT pk_usage_events PRIMARY KEY (org_id, id);


--
-- Name: usage_positions pk_usage_positions; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_positions
    ADD CONSTRAINT pk_usage_positions PRIMARY KEY (org_id, wallet_id, metric_key, period_start, price_id);


--
-- Name: user_follow_ups pk_user_follow_ups; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_follow_ups
    ADD CONSTRAINT pk_user_follow_ups PRIMARY KEY (id);


--
-- Name: user_proofs pk_user_proofs; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_proofs
    ADD CONSTRAINT pk_user_proofs PRIMARY KEY (id);


--
-- Name: user_sessions pk_user_sessions; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT pk_user_sessions PRIMARY KEY (id);


--
-- Name: users pk_users; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);


--
-- Name: wallet_days pk_wallet_days; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_days
    ADD CONSTRAINT pk_wallet_days PRIMARY KEY (org_id, wallet_id, day, type, app);


--
-- Name: wallets pk_wallets; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT pk_wallets PRIMARY KEY (org_id, id);


--
-- Name: welcomed_addresses pk_welcomed_addresses; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.welcomed_addresses
    ADD CONSTRAINT pk_welcomed_addresses PRIMARY KEY (address_hash);


--
-- Name: dummy_sessions uq_dummy_sessions_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.dummy_sessions
    ADD CONSTRAINT uq_dummy_sessions_key UNIQUE (key);


--
-- Name: org_directory uq_org_directory_external_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.org_directory
    ADD CONSTRAINT uq_org_directory_external_key UNIQUE (external_key);


--
-- Name: org_directory uq_org_directory_slug; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.org_directory
    ADD CONSTRAINT uq_org_directory_slug UNIQUE (slug);


--
-- Name: personal_tokens uq_personal_tokens_secret_hash; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT uq_personal_tokens_secret_hash UNIQUE (secret_hash);


--
-- Name: user_proofs uq_user_proofs_token_hash; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_proofs
    ADD CONSTRAINT uq_user_proofs_token_hash UNIQUE (token_hash);


--
-- Name: user_sessions uq_user_sessions_token_hash; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT uq_user_sessions_token_hash UNIQUE (token_hash);


--
-- Name: ix_audit_entries_actor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_audit_entries_actor ON public.audit_entries USING btree (org_id, actor_id, id);


--
-- Name: ix_audit_entries_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_audit_entries_id ON public.audit_entries USING btree (id);


--
-- Name: ix_audit_entries_payments; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_audit_entries_payments ON public.audit_entries USING btree (org_id, object_id) WHERE (object_kind = 'payment'::text);


--
-- Name: ix_credit_grants_dated; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_credit_grants_dated ON public.credit_grants USING btree (expires_at) WHERE ((expires_at IS NOT NULL) AND (remaining > 0));


--
-- Name: ix_credit_grants_expiring; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_credit_grants_expiring ON public.credit_grants USING btree (org_id, wallet_id, expires_at) WHERE ((remaining > 0) AND (expires_at IS NOT NULL));


--
-- Name: ix_credit_grants_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_credit_grants_open ON public.credit_grants USING btree (org_id, wallet_id, opened_seq) WHERE (remaining > 0);


--
-- Name: ix_credit_grants_org_id_transaction_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_credit_grants_org_id_transaction_id ON public.credit_grants USING btree (org_id, transaction_id);


--
-- Name: ix_credit_grants_wallet; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_credit_grants_wallet ON public.credit_grants USING btree (org_id, wallet_id, id);


--
-- Name: ix_first_answers_claimed_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_first_answers_claimed_at ON public.first_answers USING btree (claimed_at);


--
-- Name: ix_grant_burns_org_id_grant_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_grant_burns_org_id_grant_id ON public.grant_burns USING btree (org_id, grant_id);


--
-- Name: ix_hold_steps_org_id_hold_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_hold_steps_org_id_hold_id ON public.hold_steps USING btree (org_id, hold_id, id);


--
-- Name: ix_holds_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_holds_due ON public.holds USING btree (expires_at) WHERE (state = 'open'::text);


--
-- Name: ix_holds_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_holds_open ON public.holds USING btree (org_id, wallet_id, expires_at) WHERE (state = 'open'::text);


--
-- Name: ix_inbox_events_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_inbox_events_due ON public.inbox_events USING btree (org_id, next_attempt_at NULLS FIRST, id) WHERE (state = ANY (ARRAY['received'::text, 'failed'::text]));


--
-- Name: ix_inbox_events_of_org; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_inbox_events_of_org ON public.inbox_events USING btree (org_id, ((effects ->> 'org_id'::text)), id) WHERE ((effects ->> 'org_id'::text) IS NOT NULL);


--
-- Name: ix_inbox_events_org_id_state_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_inbox_events_org_id_state_id ON public.inbox_events USING btree (org_id, state, id);


--
-- Name: ix_inbox_events_parked; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_inbox_events_parked ON public.inbox_events USING btree (org_id, id) WHERE (state = 'parked'::text);


--
-- Name: ix_inbox_events_repeated; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_inbox_events_repeated ON public.inbox_events USING btree (org_id, id) INCLUDE (deliveries) WHERE (deliveries > 1);


--
-- Name: ix_inbox_tries_org_id_inbox_event_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_inbox_tries_org_id_inbox_event_id ON public.inbox_tries USING btree (org_id, inbox_event_id);


--
-- Name: ix_invites_email; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_invites_email ON public.invites USING btree (lower(email)) WHERE (state = 'pending'::text);


--
-- Name: ix_known_devices_last_seen_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_known_devices_last_seen_at ON public.known_devices USING btree (last_seen_at);


--
-- Name: ix_memberships_recent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_memberships_recent ON public.memberships USING btree (user_id, last_seen_at DESC NULLS LAST, org_id) WHERE (removed_at IS NULL);


--
-- Name: ix_memberships_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_memberships_user_id ON public.memberships USING btree (user_id);


--
-- Name: ix_org_directory_unconfirmed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_org_directory_unconfirmed ON public.org_directory USING btree (org_id) WHERE ((external_key IS NOT NULL) AND (external_key_confirmed_at IS NULL));


--
-- Name: ix_outbox_emails_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_outbox_emails_due ON public.outbox_emails USING btree (org_id, next_attempt_at NULLS FIRST, id) WHERE (state = ANY (ARRAY['waiting'::text, 'failed'::text]));


--
-- Name: ix_outbox_emails_parked; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_outbox_emails_parked ON public.outbox_emails USING btree (org_id, id) WHERE (state = 'parked'::text);


--
-- Name: ix_outbox_emails_sent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_outbox_emails_sent ON public.outbox_emails USING btree (sent_at) WHERE (sent_at IS NOT NULL);


--
-- Name: ix_payments_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_id ON public.payments USING btree (id);


--
-- Name: ix_payments_intent_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_intent_id ON public.payments USING btree (intent_id) WHERE (intent_id IS NOT NULL);


--
-- Name: ix_payments_invoice_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_invoice_id ON public.payments USING btree (invoice_id) WHERE (invoice_id IS NOT NULL);


--
-- Name: ix_payments_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_open ON public.payments USING btree (state) WHERE (state = ANY (ARRAY['created'::text, 'unknown'::text, 'paid'::text, 'review'::text]));


--
-- Name: ix_payments_org_id_state_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_org_id_state_id ON public.payments USING btree (org_id, state, id);


--
-- Name: ix_payments_session_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_session_id ON public.payments USING btree (session_id) WHERE (session_id IS NOT NULL);


--
-- Name: ix_payments_sold; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_sold ON public.payments USING btree (product_id, credited_at) WHERE (state = 'credited'::text);


--
-- Name: ix_payments_state_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_state_id ON public.payments USING btree (state, id);


--
-- Name: ix_payments_to_check; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_to_check ON public.payments USING btree (org_id, next_check_at) WHERE (state = ANY (ARRAY['created'::text, 'unknown'::text, 'pending'::text, 'paid'::text]));


--
-- Name: ix_payments_transaction_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_payments_transaction_id ON public.payments USING btree (transaction_id) WHERE (transaction_id IS NOT NULL);


--
-- Name: ix_personal_tokens_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_personal_tokens_user_id ON public.personal_tokens USING btree (user_id);


--
-- Name: ix_transactions_adjustments; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_transactions_adjustments ON public.transactions USING btree (org_id, id) WHERE (type = ANY (ARRAY['admin_grant'::text, 'admin_removal'::text]));


--
-- Name: ix_transactions_member; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_transactions_member ON public.transactions USING btree (org_id, member_id, wallet_id, seq) WHERE (member_id IS NOT NULL);


--
-- Name: ix_transactions_payment; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_transactions_payment ON public.transactions USING btree (org_id, payment_id) WHERE (payment_id IS NOT NULL);


--
-- Name: ix_usage_events_member; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usage_events_member ON public.usage_events USING btree (org_id, member_id, wallet_id, occurred_at, id) WHERE (member_id IS NOT NULL);


--
-- Name: ix_usage_events_occurred; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usage_events_occurred ON public.usage_events USING btree (org_id, wallet_id, occurred_at, id);


--
-- Name: ix_usage_events_transaction; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usage_events_transaction ON public.usage_events USING btree (org_id, transaction_id) WHERE (transaction_id IS NOT NULL);


--
-- Name: ix_usage_events_void_transaction; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usage_events_void_transaction ON public.usage_events USING btree (org_id, void_transaction_id) WHERE (void_transaction_id IS NOT NULL);


--
-- Name: ix_usage_events_waiting; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usage_events_waiting ON public.usage_events USING btree (metric_key, org_id, id) WHERE ((state <> 'charged'::text) AND (voided_at IS NULL));


--
-- Name: ix_user_follow_ups_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_user_follow_ups_user_id ON public.user_follow_ups USING btree (user_id);


--
-- Name: ix_user_proofs_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_user_proofs_user_id ON public.user_proofs USING btree (user_id);


--
-- Name: ix_user_sessions_expires_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_user_sessions_expires_at ON public.user_sessions USING btree (expires_at);


--
-- Name: ix_user_sessions_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_user_sessions_user_id ON public.user_sessions USING btree (user_id);


--
-- Name: ix_wallets_level; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_wallets_level ON public.wallets USING btree (mode, level, org_id) WHERE (level IS NOT NULL);


--
-- Name: ix_wallets_next_expiry_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_wallets_next_expiry_at ON public.wallets USING btree (next_expiry_at) WHERE (next_expiry_at IS NOT NULL);


--
-- Name: ix_welcomed_addresses_unkeyed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_welcomed_addresses_unkeyed ON public.welcomed_addresses USING btree (address_hash) WHERE (NOT keyed);


--
-- Name: uq_api_keys_org_id_secret_hash; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_api_keys_org_id_secret_hash ON public.api_keys USING btree (org_id, secret_hash);


--
-- Name: uq_customers_org_id_mode_account_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_customers_org_id_mode_account_id ON public.customers USING btree (org_id, mode, account_id);


--
-- Name: uq_end_users_org_id_mode_subject; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_end_users_org_id_mode_subject ON public.end_users USING btree (org_id, mode, subject);


--
-- Name: uq_hold_steps_org_id_mode_origin_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_hold_steps_org_id_mode_origin_key ON public.hold_steps USING btree (org_id, mode, origin, key);


--
-- Name: uq_holds_org_id_transaction_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_holds_org_id_transaction_id ON public.holds USING btree (org_id, transaction_id) WHERE (transaction_id IS NOT NULL);


--
-- Name: uq_identity_providers_org_id_mode; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_identity_providers_org_id_mode ON public.identity_providers USING btree (org_id, mode);


--
-- Name: uq_inbox_events_org_id_mode_event_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_inbox_events_org_id_mode_event_id ON public.inbox_events USING btree (org_id, mode, event_id);


--
-- Name: uq_invites_org_id_email; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_invites_org_id_email ON public.invites USING btree (org_id, lower(email)) WHERE (state = 'pending'::text);


--
-- Name: uq_invites_org_id_token_hash; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_invites_org_id_token_hash ON public.invites USING btree (org_id, token_hash);


--
-- Name: uq_ledger_seals_org_id_wallet_id_seq_from; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_ledger_seals_org_id_wallet_id_seq_from ON public.ledger_seals USING btree (org_id, wallet_id, seq_from);


--
-- Name: uq_limit_alerts_org_id_limit_id_window_start; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_limit_alerts_org_id_limit_id_window_start ON public.limit_alerts USING btree (org_id, limit_id, window_start);


--
-- Name: uq_limits_org_id_scope; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_limits_org_id_scope ON public.limits USING btree (org_id, mode, scope, scope_id, "window", hard) WHERE (ended_at IS NULL);


--
-- Name: uq_memberships_org_id_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_memberships_org_id_user_id ON public.memberships USING btree (org_id, user_id) WHERE (removed_at IS NULL);


--
-- Name: uq_metrics_org_id_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_metrics_org_id_key ON public.metrics USING btree (org_id, key);


--
-- Name: uq_notices_org_id_kind_subject_id_step; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_notices_org_id_kind_subject_id_step ON public.notices USING btree (org_id, kind, subject_id, step);


--
-- Name: uq_outbox_emails_org_id_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_outbox_emails_org_id_key ON public.outbox_emails USING btree (org_id, key);


--
-- Name: uq_payments_org_id_mode_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_payments_org_id_mode_key ON public.payments USING btree (org_id, mode, key);


--
-- Name: uq_prices_org_id_metric_key_effective_from; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_prices_org_id_metric_key_effective_from ON public.prices USING btree (org_id, metric_key, effective_from);


--
-- Name: uq_product_versions_org_id_product_id_number; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_product_versions_org_id_product_id_number ON public.product_versions USING btree (org_id, product_id, number);


--
-- Name: uq_products_org_id_source; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_products_org_id_source ON public.products USING btree (org_id, source) WHERE (source <> ''::text);


--
-- Name: uq_provider_accounts_org_id_account_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_provider_accounts_org_id_account_id ON public.provider_accounts USING btree (org_id, provider, mode, account_id);


--
-- Name: uq_provider_accounts_org_id_active; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_provider_accounts_org_id_active ON public.provider_accounts USING btree (org_id, provider, mode) WHERE active;


--
-- Name: uq_provider_prices_org_id_version_id_mode_account_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_provider_prices_org_id_version_id_mode_account_id ON public.provider_prices USING btree (org_id, version_id, mode, account_id);


--
-- Name: uq_recovery_codes_user_id_code_hash; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_recovery_codes_user_id_code_hash ON public.recovery_codes USING btree (user_id, code_hash);


--
-- Name: uq_transactions_org_id_mode_origin_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_transactions_org_id_mode_origin_key ON public.transactions USING btree (org_id, mode, origin, key);


--
-- Name: uq_transactions_org_id_wallet_id_seq; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_transactions_org_id_wallet_id_seq ON public.transactions USING btree (org_id, wallet_id, seq);


--
-- Name: uq_usage_events_org_id_mode_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_usage_events_org_id_mode_key ON public.usage_events USING btree (org_id, mode, key);


--
-- Name: uq_users_email; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_users_email ON public.users USING btree (lower(email));


--
-- Name: uq_wallets_holder; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_wallets_holder ON public.wallets USING btree (org_id, mode, unit, membership_id, team_id, seat_id, end_user_id) NULLS NOT DISTINCT;


--
-- Name: audit_entries immutable; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON public.audit_entries FOR EACH ROW EXECUTE FUNCTION public.coffer_refuse_change();


--
-- Name: grant_burns immutable; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON public.grant_burns FOR EACH ROW EXECUTE FUNCTION public.coffer_refuse_change();


--
-- Name: ledger_seals immutable; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON public.ledger_seals FOR EACH ROW EXECUTE FUNCTION public.coffer_refuse_change();


--
-- Name: transactions immutable; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER immutable BEFORE DELETE OR UPDATE ON public.transactions FOR EACH ROW EXECUTE FUNCTION public.coffer_refuse_change();


--
-- Name: audit_entries immutable_whole; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER immutable_whole BEFORE TRUNCATE ON public.audit_entries FOR EACH STATEMENT EXECUTE FUNCTION public.coffer_refuse_change();


--
-- Name: grant_burns immutable_whole; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER immutable_whole BEFORE TRUNCATE ON public.grant_burns FOR EACH STATEMENT EXECUTE FUNCTION public.coffer_refuse_change();


--
-- Name: ledger_seals immutable_whole; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER immutable_whole BEFORE TRUNCATE ON public.ledger_seals FOR EACH STATEMENT EXECUTE FUNCTION public.coffer_refuse_change();


--
-- Name: transactions immutable_whole; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER immutable_whole BEFORE TRUNCATE ON public.transactions FOR EACH STATEMENT EXECUTE FUNCTION public.coffer_refuse_change();


--
-- Name: api_keys fk_api_keys_created_by_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT fk_api_keys_created_by_users FOREIGN KEY (created_by) REFERENCES public.users(id);


--
-- Name: api_keys fk_api_keys_org_id_limit_id_limits; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT fk_api_keys_org_id_limit_id_limits FOREIGN KEY (org_id, limit_id) REFERENCES public.limits(org_id, id) ON DELETE RESTRICT;


--
-- Name: api_keys fk_api_keys_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT fk_api_keys_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: api_keys fk_api_keys_org_id_replaces_id_api_keys; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT fk_api_keys_org_id_replaces_id_api_keys FOREIGN KEY (org_id, replaces_id) REFERENCES public.api_keys(org_id, id) ON DELETE RESTRICT;


--
-- Name: audit_entries fk_audit_entries_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_entries
    ADD CONSTRAINT fk_audit_entries_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: credit_grants fk_credit_grants_org_id_transaction_id_transactions; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credit_grants
    ADD CONSTRAINT fk_credit_grants_org_id_transaction_id_transactions FOREIGN KEY (org_id, transaction_id) REFERENCES public.transactions(org_id, id) ON DELETE RESTRICT;


--
-- Name: credit_grants fk_credit_grants_org_id_wallet_id_wallets; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credit_grants
    ADD CONSTRAINT fk_credit_grants_org_id_wallet_id_wallets FOREIGN KEY (org_id, wallet_id) REFERENCES public.wallets(org_id, id) ON DELETE RESTRICT;


--
-- Name: customers fk_customers_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT fk_customers_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: end_users fk_end_users_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.end_users
    ADD CONSTRAINT fk_end_users_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: former_slugs fk_former_slugs_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.former_slugs
    ADD CONSTRAINT fk_former_slugs_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id);


--
-- Name: grant_burns fk_grant_burns_org_id_grant_id_credit_grants; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grant_burns
    ADD CONSTRAINT fk_grant_burns_org_id_grant_id_credit_grants FOREIGN KEY (org_id, grant_id) REFERENCES public.credit_grants(org_id, id) ON DELETE RESTRICT;


--
-- Name: grant_burns fk_grant_burns_org_id_wallet_id_wallets; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grant_burns
    ADD CONSTRAINT fk_grant_burns_org_id_wallet_id_wallets FOREIGN KEY (org_id, wallet_id) REFERENCES public.wallets(org_id, id) ON DELETE RESTRICT;


--
-- Name: hold_steps fk_hold_steps_org_id_holds; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.hold_steps
    ADD CONSTRAINT fk_hold_steps_org_id_holds FOREIGN KEY (org_id, hold_id) REFERENCES public.holds(org_id, id) ON DELETE RESTRICT;


--
-- Name: holds fk_holds_org_id_transactions; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT fk_holds_org_id_transactions FOREIGN KEY (org_id, transaction_id) REFERENCES public.transactions(org_id, id) ON DELETE RESTRICT;


--
-- Name: holds fk_holds_org_id_wallets; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT fk_holds_org_id_wallets FOREIGN KEY (org_id, wallet_id) REFERENCES public.wallets(org_id, id) ON DELETE RESTRICT;


--
-- Name: identity_providers fk_identity_providers_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.identity_providers
    ADD CONSTRAINT fk_identity_providers_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: inbox_events fk_inbox_events_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbox_events
    ADD CONSTRAINT fk_inbox_events_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: inbox_tries fk_inbox_tries_org_id_inbox_event_id_inbox_events; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbox_tries
    ADD CONSTRAINT fk_inbox_tries_org_id_inbox_event_id_inbox_events FOREIGN KEY (org_id, inbox_event_id) REFERENCES public.inbox_events(org_id, id) ON DELETE RESTRICT;


--
-- Name: invites fk_invites_accepted_by_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT fk_invites_accepted_by_users FOREIGN KEY (accepted_by) REFERENCES public.users(id);


--
-- Name: invites fk_invites_invited_by_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT fk_invites_invited_by_users FOREIGN KEY (invited_by) REFERENCES public.users(id);


--
-- Name: invites fk_invites_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT fk_invites_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: known_devices fk_known_devices_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.known_devices
    ADD CONSTRAINT fk_known_devices_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: ledger_seals fk_ledger_seals_org_id_wallet_id_wallets; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_seals
    ADD CONSTRAINT fk_ledger_seals_org_id_wallet_id_wallets FOREIGN KEY (org_id, wallet_id) REFERENCES public.wallets(org_id, id) ON DELETE RESTRICT;


--
-- Name: limit_alerts fk_limit_alerts_org_id_limit_id_limits; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limit_alerts
    ADD CONSTRAINT fk_limit_alerts_org_id_limit_id_limits FOREIGN KEY (org_id, limit_id) REFERENCES public.limits(org_id, id) ON DELETE RESTRICT;


--
-- Name: limit_windows fk_limit_windows_org_id_limit_id_limits; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limit_windows
    ADD CONSTRAINT fk_limit_windows_org_id_limit_id_limits FOREIGN KEY (org_id, limit_id) REFERENCES public.limits(org_id, id) ON DELETE RESTRICT;


--
-- Name: limits fk_limits_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.limits
    ADD CONSTRAINT fk_limits_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: memberships fk_memberships_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT fk_memberships_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: memberships fk_memberships_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT fk_memberships_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: metrics fk_metrics_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.metrics
    ADD CONSTRAINT fk_metrics_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: notices fk_notices_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.notices
    ADD CONSTRAINT fk_notices_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: org_directory fk_org_directory_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.org_directory
    ADD CONSTRAINT fk_org_directory_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id);


--
-- Name: outbox_emails fk_outbox_emails_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox_emails
    ADD CONSTRAINT fk_outbox_emails_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: payments fk_payments_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT fk_payments_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: payments fk_payments_org_id_transaction_id_transactions; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT fk_payments_org_id_transaction_id_transactions FOREIGN KEY (org_id, transaction_id) REFERENCES public.transactions(org_id, id) ON DELETE RESTRICT;


--
-- Name: personal_tokens fk_personal_tokens_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT fk_personal_tokens_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: prices fk_prices_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.prices
    ADD CONSTRAINT fk_prices_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: product_versions fk_product_versions_org_id_product_id_products; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.product_versions
    ADD CONSTRAINT fk_product_versions_org_id_product_id_products FOREIGN KEY (org_id, product_id) REFERENCES public.products(org_id, id) ON DELETE RESTRICT;


--
-- Name: products fk_products_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.products
    ADD CONSTRAINT fk_products_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: provider_accounts fk_provider_accounts_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.provider_accounts
    ADD CONSTRAINT fk_provider_accounts_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: provider_prices fk_provider_prices_account; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.provider_prices
    ADD CONSTRAINT fk_provider_prices_account FOREIGN KEY (org_id, provider, mode, account_id) REFERENCES public.provider_accounts(org_id, provider, mode, account_id) ON DELETE RESTRICT;


--
-- Name: provider_prices fk_provider_prices_org_id_version_id_product_versions; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.provider_prices
    ADD CONSTRAINT fk_provider_prices_org_id_version_id_product_versions FOREIGN KEY (org_id, version_id) REFERENCES public.product_versions(org_id, id) ON DELETE RESTRICT;


--
-- Name: recovery_codes fk_recovery_codes_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT fk_recovery_codes_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: transactions fk_transactions_org_id_wallet_id_wallets; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.transactions
    ADD CONSTRAINT fk_transactions_org_id_wallet_id_wallets FOREIGN KEY (org_id, wallet_id) REFERENCES public.wallets(org_id, id) ON DELETE RESTRICT;


--
-- Name: usage_counters fk_usage_counters_org_id_wallets; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_counters
    ADD CONSTRAINT fk_usage_counters_org_id_wallets FOREIGN KEY (org_id, wallet_id) REFERENCES public.wallets(org_id, id) ON DELETE RESTRICT;


--
-- Name: usage_events fk_usage_events_org_id_transactions; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_events
    ADD CONSTRAINT fk_usage_events_org_id_transactions FOREIGN KEY (org_id, transaction_id) REFERENCES public.transactions(org_id, id) ON DELETE RESTRICT;


--
-- Name: usage_events fk_usage_events_org_id_void_transaction; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_events
    ADD CONSTRAINT fk_usage_events_org_id_void_transaction FOREIGN KEY (org_id, void_transaction_id) REFERENCES public.transactions(org_id, id) ON DELETE RESTRICT;


--
-- Name: usage_events fk_usage_events_org_id_wallets; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_events
    ADD CONSTRAINT fk_usage_events_org_id_wallets FOREIGN KEY (org_id, wallet_id) REFERENCES public.wallets(org_id, id) ON DELETE RESTRICT;


--
-- Name: usage_positions fk_usage_positions_org_id_wallets; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_positions
    ADD CONSTRAINT fk_usage_positions_org_id_wallets FOREIGN KEY (org_id, wallet_id) REFERENCES public.wallets(org_id, id) ON DELETE RESTRICT;


--
-- Name: user_follow_ups fk_user_follow_ups_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_follow_ups
    ADD CONSTRAINT fk_user_follow_ups_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: user_proofs fk_user_proofs_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_proofs
    ADD CONSTRAINT fk_user_proofs_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: user_sessions fk_user_sessions_user_id_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT fk_user_sessions_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: wallet_days fk_wallet_days_org_id_wallet_id_wallets; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_days
    ADD CONSTRAINT fk_wallet_days_org_id_wallet_id_wallets FOREIGN KEY (org_id, wallet_id) REFERENCES public.wallets(org_id, id) ON DELETE RESTRICT;


--
-- Name: wallets fk_wallets_org_id_end_user_id_end_users; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT fk_wallets_org_id_end_user_id_end_users FOREIGN KEY (org_id, end_user_id) REFERENCES public.end_users(org_id, id) ON DELETE RESTRICT;


--
-- Name: wallets fk_wallets_org_id_membership_id_memberships; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT fk_wallets_org_id_membership_id_memberships FOREIGN KEY (org_id, membership_id) REFERENCES public.memberships(org_id, id) ON DELETE RESTRICT;


--
-- Name: wallets fk_wallets_org_id_organizations; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT fk_wallets_org_id_organizations FOREIGN KEY (org_id) REFERENCES public.organizations(id) ON DELETE RESTRICT;


--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA public TO coffer_app;


--
-- Name: TABLE alembic_version; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.alembic_version TO coffer_app;


--
-- Name: TABLE api_keys; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.api_keys TO coffer_app;


--
-- Name: TABLE audit_entries; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.audit_entries TO coffer_app;


--
-- Name: TABLE credit_grants; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.credit_grants TO coffer_app;


--
-- Name: COLUMN credit_grants.remaining; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(remaining) ON TABLE public.credit_grants TO coffer_app;


--
-- Name: TABLE customers; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.customers TO coffer_app;


--
-- Name: TABLE dummy_sessions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.dummy_sessions TO coffer_app;


--
-- Name: TABLE end_users; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.end_users TO coffer_app;


--
-- Name: TABLE first_answers; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.first_answers TO coffer_app;


--
-- Name: TABLE former_slugs; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.former_slugs TO coffer_app;


--
-- Name: TABLE grant_burns; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.grant_burns TO coffer_app;


--
-- Name: TABLE hold_steps; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.hold_steps TO coffer_app;


--
-- Name: TABLE holds; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.holds TO coffer_app;


--
-- Name: COLUMN holds.captured; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(captured) ON TABLE public.holds TO coffer_app;


--
-- Name: COLUMN holds.state; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(state) ON TABLE public.holds TO coffer_app;


--
-- Name: COLUMN holds.expires_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(expires_at) ON TABLE public.holds TO coffer_app;


--
-- Name: COLUMN holds.ended_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(ended_at) ON TABLE public.holds TO coffer_app;


--
-- Name: COLUMN holds.transaction_id; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(transaction_id) ON TABLE public.holds TO coffer_app;


--
-- Name: TABLE identity_providers; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.identity_providers TO coffer_app;


--
-- Name: TABLE inbox_events; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.inbox_events TO coffer_app;


--
-- Name: TABLE inbox_tries; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.inbox_tries TO coffer_app;


--
-- Name: TABLE invites; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.invites TO coffer_app;


--
-- Name: TABLE known_devices; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.known_devices TO coffer_app;


--
-- Name: TABLE leases; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.leases TO coffer_app;


--
-- Name: TABLE ledger_seals; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.ledger_seals TO coffer_app;


--
-- Name: TABLE limit_alerts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.limit_alerts TO coffer_app;


--
-- Name: TABLE limit_windows; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.limit_windows TO coffer_app;


--
-- Name: TABLE limits; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.limits TO coffer_app;


--
-- Name: TABLE memberships; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.memberships TO coffer_app;


--
-- Name: TABLE metrics; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.metrics TO coffer_app;


--
-- Name: TABLE notices; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.notices TO coffer_app;


--
-- Name: TABLE org_directory; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.org_directory TO coffer_app;


--
-- Name: TABLE organizations; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.organizations TO coffer_app;


--
-- Name: TABLE outbox_emails; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.outbox_emails TO coffer_app;


--
-- Name: TABLE payments; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments TO coffer_app;


--
-- Name: TABLE personal_tokens; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.personal_tokens TO coffer_app;


--
-- Name: TABLE platform_figures; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.platform_figures TO coffer_app;


--
-- Name: TABLE prices; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.prices TO coffer_app;


--
-- Name: TABLE product_versions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.product_versions TO coffer_app;


--
-- Name: TABLE products; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.products TO coffer_app;


--
-- Name: TABLE provider_accounts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.provider_accounts TO coffer_app;


--
-- Name: TABLE provider_prices; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.provider_prices TO coffer_app;


--
-- Name: TABLE rate_buckets; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rate_buckets TO coffer_app;


--
-- Name: TABLE recovery_codes; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.recovery_codes TO coffer_app;


--
-- Name: TABLE stored_keys; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.stored_keys TO coffer_app;


--
-- Name: TABLE transactions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.transactions TO coffer_app;


--
-- Name: TABLE usage_counters; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.usage_counters TO coffer_app;


--
-- Name: TABLE usage_events; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.price_id; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(price_id) ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.period_start; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(period_start) ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.units_after; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(units_after) ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.cost; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(cost) ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.transaction_id; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(transaction_id) ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.state; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(state) ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.voided_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(voided_at) ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.void_reason; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(void_reason) ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.credited; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(credited) ON TABLE public.usage_events TO coffer_app;


--
-- Name: COLUMN usage_events.void_transaction_id; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(void_transaction_id) ON TABLE public.usage_events TO coffer_app;


--
-- Name: TABLE usage_positions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.usage_positions TO coffer_app;


--
-- Name: TABLE user_follow_ups; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.user_follow_ups TO coffer_app;


--
-- Name: TABLE user_proofs; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.user_proofs TO coffer_app;


--
-- Name: TABLE user_sessions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.user_sessions TO coffer_app;


--
-- Name: TABLE users; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.users TO coffer_app;


--
-- Name: TABLE wallet_days; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.wallet_days TO coffer_app;


--
-- Name: TABLE wallets; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.wallets TO coffer_app;


--
-- Name: TABLE welcomed_addresses; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.welcomed_addresses TO coffer_app;


--
-- PostgreSQL database dump complete
--

\unrestrict x

