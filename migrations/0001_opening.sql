-- The opening core. Read as an essay: what is sold, by whom it may be picked, what was decided, and in which order.
--
-- One text for SQLite and Postgres: BIGINT, TEXT, BOOLEAN, BYTEA. Times are microseconds UTC, money is fen, areas are
-- 0.01 m², ids are ULID text. Every table has org_id.

CREATE TABLE org (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO org (id, name, created_at) VALUES ('00000000000000000000000000', 'default', 0);

CREATE TABLE project (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (org_id, name)
);

-- A real home. The same home may be a unit of several openings (rolled over, rehearsed); it can be occupied in one.
CREATE TABLE property (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    kind TEXT NOT NULL,
    building TEXT NOT NULL,
    section TEXT NOT NULL,
    floor TEXT NOT NULL,
    room TEXT NOT NULL,
    UNIQUE (project_id, kind, building, section, floor, room)
);

-- What an admin sets. Whatever changes while the opening lives is in opening_head.
CREATE TABLE opening (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    name TEXT NOT NULL,
    rehearsal BOOLEAN NOT NULL,
    simulated BOOLEAN NOT NULL,
    hold_us BIGINT NOT NULL,
    favourites_max BIGINT NOT NULL,
    deposit_home_fen BIGINT NOT NULL,
    deposit_parking_fen BIGINT NOT NULL,
    deposit_shop_fen BIGINT NOT NULL,
    deposit_storage_fen BIGINT NOT NULL,
    -- Homes are limited by each registration's own quota_home; the other kinds by the opening.
    quota_home BIGINT NOT NULL,
    quota_parking BIGINT NOT NULL,
    quota_shop BIGINT NOT NULL,
    quota_storage BIGINT NOT NULL,
    -- NULL: no limit for a household beyond those of its registrations.
    household_home BIGINT,
    household_parking BIGINT,
    household_shop BIGINT,
    household_storage BIGINT,
    -- Frozen at publication (hex SHA-256), NULL before.
    units_hash TEXT,
    roster_hash TEXT,
    published_at BIGINT,
    created_at BIGINT NOT NULL
);

-- Gate 3's first step: whoever changes an opening takes this row, so commit order is sequence order.
CREATE TABLE opening_head (
    opening_id TEXT PRIMARY KEY REFERENCES opening (id),
    org_id TEXT NOT NULL REFERENCES org (id),
    epoch BIGINT NOT NULL,
    phase TEXT NOT NULL,
    paused BOOLEAN NOT NULL,
    control_version BIGINT NOT NULL,
    next_seq BIGINT NOT NULL,
    start_at BIGINT NOT NULL,
    end_at BIGINT NOT NULL,
    -- The opening's clock, frozen when it is armed: a pair of database time and time since boot, valid for one boot.
    anchor_wall BIGINT,
    anchor_mono BIGINT,
    anchor_boot TEXT
);

-- Units and registrations have append-only ordinals inside their opening.
CREATE TABLE unit (
    opening_id TEXT NOT NULL REFERENCES opening (id),
    ord BIGINT NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    property_id TEXT NOT NULL REFERENCES property (id),
    kind TEXT NOT NULL,
    building TEXT NOT NULL,
    section TEXT NOT NULL,
    floor TEXT NOT NULL,
    room TEXT NOT NULL,
    layout TEXT NOT NULL,
    facing TEXT NOT NULL,
    gross_area_centi BIGINT,
    inner_area_centi BIGINT,
    unit_price_fen BIGINT,
    -- NULL only before publication: a unit without a price stops the pre-flight.
    total_fen BIGINT,
    remarks TEXT NOT NULL,
    -- Set before publication; publication turns it into a claim in state 'withheld'.
    withheld_reason TEXT,
    PRIMARY KEY (opening_id, ord),
    UNIQUE (opening_id, property_id)
);

-- Personal fields are sealed (see src/vault); *_bidx are keyed blind indexes of their canonical form.
CREATE TABLE registration (
    opening_id TEXT NOT NULL REFERENCES opening (id),
    ord BIGINT NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    id TEXT NOT NULL UNIQUE,
    code TEXT NOT NULL,
    name_sealed BYTEA NOT NULL,
    document_kind TEXT NOT NULL,
    document_sealed BYTEA NOT NULL,
    document_bidx BYTEA NOT NULL,
    -- NULL: no phone; such a registration stops the pre-flight, because nobody could sign in for it.
    phone_sealed BYTEA,
    phone_bidx BYTEA,
    -- Sealed JSON: [{"name","document"}].
    co_buyers_sealed BYTEA,
    household TEXT,
    eligibility TEXT NOT NULL,
    proxy_sealed BYTEA,
    consultant TEXT NOT NULL,
    group_name TEXT NOT NULL,
    lot_number BIGINT,
    quota_home BIGINT NOT NULL,
    earnest_fen BIGINT NOT NULL,
    remarks_sealed BYTEA,
    PRIMARY KEY (opening_id, ord),
    UNIQUE (opening_id, code),
    UNIQUE (opening_id, document_bidx)
);
CREATE INDEX registration_by_phone ON registration (opening_id, phone_bidx);

-- A granted pick, or a withheld unit (no registration). `occupying` follows from `state`; the two partial indexes
-- below are what "no home is sold twice" rests on.
CREATE TABLE claim (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    opening_id TEXT NOT NULL REFERENCES opening (id),
    unit_ord BIGINT NOT NULL,
    property_id TEXT NOT NULL REFERENCES property (id),
    rehearsal BOOLEAN NOT NULL,
    registration_ord BIGINT,
    -- The buyer's key for the tap. The request is the unit, so the unit stands for the request's hash.
    request_key TEXT,
    state TEXT NOT NULL,
    occupying BOOLEAN NOT NULL,
    generation BIGINT NOT NULL,
    -- What the buyer shows at the cashier.
    code TEXT NOT NULL,
    deposit_fen BIGINT NOT NULL,
    paid_fen BIGINT NOT NULL,
    deadline_at BIGINT,
    extended BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    -- Journal sequence of the entry that granted it, and of the last one that changed it.
    seq BIGINT NOT NULL,
    changed_seq BIGINT NOT NULL,
    reason TEXT,
    UNIQUE (opening_id, registration_ord, request_key)
);
CREATE UNIQUE INDEX claim_one_per_unit ON claim (opening_id, unit_ord) WHERE occupying;
CREATE UNIQUE INDEX claim_one_per_property ON claim (property_id) WHERE occupying AND NOT rehearsal;
CREATE INDEX claim_by_opening ON claim (opening_id, state);

-- Numbered places: a quota of n is n places, and a place is taken once. One row for the registration and, where a
-- limit exists, one for the household. The rows live as long as their claim occupies its unit; the journal is the
-- history.
CREATE TABLE quota_place (
    claim_id TEXT NOT NULL REFERENCES claim (id),
    org_id TEXT NOT NULL REFERENCES org (id),
    opening_id TEXT NOT NULL REFERENCES opening (id),
    holder_kind TEXT NOT NULL,
    holder TEXT NOT NULL,
    class TEXT NOT NULL,
    place BIGINT NOT NULL,
    PRIMARY KEY (claim_id, holder_kind)
);
CREATE UNIQUE INDEX quota_place_once ON quota_place (opening_id, holder_kind, holder, class, place);

-- "This key was never recorded and never will be": left by ask, so that a late commit of the same key loses.
CREATE TABLE tombstone (
    opening_id TEXT NOT NULL REFERENCES opening (id),
    registration_ord BIGINT NOT NULL,
    request_key TEXT NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (opening_id, registration_ord, request_key)
);

-- The one history. Board, audit and every later reader are readings of it. No personal data in the clear.
CREATE TABLE journal (
    opening_id TEXT NOT NULL REFERENCES opening (id),
    seq BIGINT NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (opening_id, seq)
);

-- Recorded first, applied afterwards by hold id and generation. What can't be applied is owed back.
CREATE TABLE payment (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    opening_id TEXT NOT NULL REFERENCES opening (id),
    claim_id TEXT NOT NULL,
    generation BIGINT NOT NULL,
    method TEXT NOT NULL,
    reference TEXT NOT NULL,
    amount_fen BIGINT NOT NULL,
    -- 'recorded' until the opening's committer settled it; then applied_fen + refund_fen = amount_fen.
    state TEXT NOT NULL,
    applied_fen BIGINT NOT NULL,
    refund_fen BIGINT NOT NULL,
    refund_reason TEXT,
    recorded_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (project_id, method, reference)
);
CREATE INDEX payment_by_opening ON payment (opening_id, state);

CREATE TABLE favourite (
    opening_id TEXT NOT NULL REFERENCES opening (id),
    registration_ord BIGINT NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    -- JSON: unit ordinals in the buyer's order.
    units TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (opening_id, registration_ord)
);

-- Work that one process does at a time (lapsing holds), by database time.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    holder TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Which servers are alive, and how far their clocks are from the database's.
CREATE TABLE gateway (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    clock_offset_us BIGINT NOT NULL
);
