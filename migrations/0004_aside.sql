-- A large import also overwrites stored rows in many short transactions. Before a row is overwritten it is set aside as
-- it was, and as long as the import's mark stands that is what readers see. When the mark goes, every change shows at
-- once, and what was set aside is nobody's any more; it is removed in parts. An import that ends otherwise puts it back.
--
-- Each import has its own (opening.staged_by), so that what another left is never taken for what it set aside. Only what
-- an import overwrites is here: a unit that is withheld meanwhile stays so, however the import ends.

CREATE TABLE unit_aside (
    opening_id TEXT NOT NULL REFERENCES opening (id),
    staged_by TEXT NOT NULL,
    ord BIGINT NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    building TEXT NOT NULL,
    section TEXT NOT NULL,
    floor TEXT NOT NULL,
    room TEXT NOT NULL,
    layout TEXT NOT NULL,
    facing TEXT NOT NULL,
    gross_area_centi BIGINT,
    inner_area_centi BIGINT,
    unit_price_fen BIGINT,
    total_fen BIGINT,
    remarks TEXT NOT NULL,
    PRIMARY KEY (opening_id, staged_by, ord)
);

-- Sealed for the same rows as in registration.
CREATE TABLE registration_aside (
    opening_id TEXT NOT NULL REFERENCES opening (id),
    staged_by TEXT NOT NULL,
    ord BIGINT NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    name_sealed BYTEA NOT NULL,
    document_kind TEXT NOT NULL,
    document_sealed BYTEA NOT NULL,
    document_bidx BYTEA NOT NULL,
    phone_sealed BYTEA,
    phone_bidx BYTEA,
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
    PRIMARY KEY (opening_id, staged_by, ord)
);

-- As in 0003: up to the mark; and now what the marked import set aside instead of what it wrote there.
DROP VIEW unit_shown;
CREATE VIEW unit_shown AS
    SELECT u.opening_id, u.ord, u.property_id, u.kind, u.building, u.section, u.floor, u.room, u.layout, u.facing,
           u.gross_area_centi, u.inner_area_centi, u.unit_price_fen, u.total_fen, u.remarks, u.withheld_reason
    FROM unit u JOIN opening o ON o.id = u.opening_id
    WHERE (o.units_staged_from IS NULL OR u.ord < o.units_staged_from)
      AND NOT EXISTS (SELECT 1 FROM unit_aside a
                      WHERE a.opening_id = u.opening_id AND a.staged_by = o.staged_by AND a.ord = u.ord)
    UNION ALL
    SELECT u.opening_id, u.ord, u.property_id, u.kind, a.building, a.section, a.floor, a.room, a.layout, a.facing,
           a.gross_area_centi, a.inner_area_centi, a.unit_price_fen, a.total_fen, a.remarks, u.withheld_reason
    FROM unit u JOIN opening o ON o.id = u.opening_id
    JOIN unit_aside a ON a.opening_id = u.opening_id AND a.staged_by = o.staged_by AND a.ord = u.ord;

DROP VIEW registration_shown;
CREATE VIEW registration_shown AS
    SELECT r.opening_id, r.ord, r.id, r.code, r.name_sealed, r.document_kind, r.document_sealed, r.document_bidx,
           r.phone_sealed, r.phone_bidx, r.co_buyers_sealed, r.household, r.eligibility, r.proxy_sealed, r.consultant,
           r.group_name, r.lot_number, r.quota_home, r.earnest_fen, r.remarks_sealed
    FROM registration r JOIN opening o ON o.id = r.opening_id
    WHERE (o.registrations_staged_from IS NULL OR r.ord < o.registrations_staged_from)
      AND NOT EXISTS (SELECT 1 FROM registration_aside a
                      WHERE a.opening_id = r.opening_id AND a.staged_by = o.staged_by AND a.ord = r.ord)
    UNION ALL
    SELECT r.opening_id, r.ord, r.id, r.code, a.name_sealed, a.document_kind, a.document_sealed, a.document_bidx,
           a.phone_sealed, a.phone_bidx, a.co_buyers_sealed, a.household, a.eligibility, a.proxy_sealed, a.consultant,
           a.group_name, a.lot_number, a.quota_home, a.earnest_fen, a.remarks_sealed
    FROM registration r JOIN opening o ON o.id = r.opening_id
    JOIN registration_aside a ON a.opening_id = r.opening_id AND a.staged_by = o.staged_by AND a.ord = r.ord;
