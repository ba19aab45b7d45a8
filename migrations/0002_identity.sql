-- Who may do what: keys, messages, staff, buyers' sign-in and devices.
--
-- Nothing that opens a door lies here in a form that opens it: passwords, codes and tokens are hashes, and what names
-- a person is sealed (see src/vault).

-- Which keys have sealed something in this database. A server with another keyring is refused at start.
CREATE TABLE keyring_binding (
    name TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    print BYTEA NOT NULL,
    bound_at BIGINT NOT NULL
);

-- Messages of the built-in sender, which sends nothing: the console shows them.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    opening_id TEXT REFERENCES opening (id),
    purpose TEXT NOT NULL,
    recipient_sealed BYTEA NOT NULL,
    recipient_bidx BYTEA NOT NULL,
    -- Sealed JSON; the words are in the catalogue of src/messaging.
    params_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX outbox_newest ON outbox (opening_id, created_at);
CREATE INDEX outbox_by_recipient ON outbox (opening_id, recipient_bidx, created_at);
CREATE INDEX outbox_by_age ON outbox (created_at);

CREATE TABLE staff (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    -- Lower case; what a person types is folded before it is compared.
    login TEXT NOT NULL,
    name_sealed BYTEA NOT NULL,
    role TEXT NOT NULL,
    -- Argon2id in PHC form: it carries its own parameters, so they can be raised later.
    password_hash TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (org_id, login)
);

-- A row is a session; revoking it deletes the row. The token itself is never stored.
CREATE TABLE staff_session (
    token_hash BYTEA PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    staff_id TEXT NOT NULL REFERENCES staff (id),
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX staff_session_by_staff ON staff_session (staff_id, created_at);

-- What staff did and why, written in the transaction that did it.
CREATE TABLE staff_log (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    opening_id TEXT REFERENCES opening (id),
    -- NULL when the command line did it on the machine itself; `staff` then says so.
    staff_id TEXT,
    staff TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    -- Sealed JSON: a reason is free text and may name somebody.
    params_sealed BYTEA NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX staff_log_newest ON staff_log (at);
CREATE INDEX staff_log_by_opening ON staff_log (opening_id, at);

-- One row per phone that asked for a code, whether or not the roster knows it: both ways cost the same and answer the
-- same. An unknown phone's code was told to nobody.
CREATE TABLE sign_in_code (
    opening_id TEXT NOT NULL REFERENCES opening (id),
    phone_bidx BYTEA NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    -- Changes with each code and is part of what is hashed.
    id TEXT NOT NULL,
    code_hash BYTEA NOT NULL,
    attempts_left BIGINT NOT NULL,
    -- Codes asked for in a row; the interval grows with it.
    issued BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    resend_at BIGINT NOT NULL,
    PRIMARY KEY (opening_id, phone_bidx)
);
CREATE INDEX sign_in_code_by_age ON sign_in_code (created_at);

-- A signed-in device of a buyer.
CREATE TABLE buyer_session (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    opening_id TEXT NOT NULL REFERENCES opening (id),
    registration_ord BIGINT NOT NULL,
    label_sealed BYTEA NOT NULL,
    -- Part of the token: raising it ends every token of the session without ending the session's history.
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX buyer_session_live ON buyer_session (opening_id, registration_ord) WHERE revoked_at IS NULL;

-- Which of a registration's devices picks (OP-26), and which other one asks to. `version` is taken from the opening's
-- device_head inside the same transaction, so a reader that knows version n sees everything up to n.
CREATE TABLE picking_device (
    opening_id TEXT NOT NULL REFERENCES opening (id),
    registration_ord BIGINT NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    session_id TEXT,
    requested_by TEXT,
    requested_at BIGINT,
    version BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (opening_id, registration_ord)
);
CREATE INDEX picking_device_by_version ON picking_device (opening_id, version);

CREATE TABLE device_head (
    opening_id TEXT PRIMARY KEY REFERENCES opening (id),
    org_id TEXT NOT NULL REFERENCES org (id),
    version BIGINT NOT NULL
);
