-- A large import is written in many short transactions, so that SQLite's one writer is never kept from an opening that
-- is live, and shown in one. Until then its rows lie behind a mark: ordinals are append-only, so what is being added is
-- what comes after it, and whoever reads a draft reads up to it.
--
-- The mark goes with the import: a crash leaves both, and the next start removes them.

-- NULL: nothing is being added.
ALTER TABLE opening ADD COLUMN units_staged_from BIGINT;
ALTER TABLE opening ADD COLUMN registrations_staged_from BIGINT;
-- Which import it is, and until when it is taken to be alive if nothing is heard of it.
ALTER TABLE opening ADD COLUMN staged_by TEXT;
ALTER TABLE opening ADD COLUMN staged_until BIGINT;

-- What readers of a draft read. Named columns, so that both databases keep these views when a table grows.
CREATE VIEW unit_shown AS
    SELECT u.opening_id, u.ord, u.property_id, u.kind, u.building, u.section, u.floor, u.room, u.layout, u.facing,
           u.gross_area_centi, u.inner_area_centi, u.unit_price_fen, u.total_fen, u.remarks, u.withheld_reason
    FROM unit u JOIN opening o ON o.id = u.opening_id
    WHERE o.units_staged_from IS NULL OR u.ord < o.units_staged_from;

CREATE VIEW registration_shown AS
    SELECT r.opening_id, r.ord, r.id, r.code, r.name_sealed, r.document_kind, r.document_sealed, r.document_bidx,
           r.phone_sealed, r.phone_bidx, r.co_buyers_sealed, r.household, r.eligibility, r.proxy_sealed, r.consultant,
           r.group_name, r.lot_number, r.quota_home, r.earnest_fen, r.remarks_sealed
    FROM registration r JOIN opening o ON o.id = r.opening_id
    WHERE o.registrations_staged_from IS NULL OR r.ord < o.registrations_staged_from;
