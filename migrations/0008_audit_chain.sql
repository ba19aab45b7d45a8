-- The staff log is a chain: each row carries a keyed hash over its predecessor's hash and what it says itself
-- (src/identity/staff/chain.rs). Whoever changes, removes, swaps or adds a row in the database breaks it, and can not
-- mend it without the keyring; `kaipan audit check` names the first row that is wrong.

-- NULL: written by a program before the chain. The first start after this migration chains what is there.
ALTER TABLE staff_log ADD COLUMN seq BIGINT;
ALTER TABLE staff_log ADD COLUMN hash BYTEA;
CREATE UNIQUE INDEX staff_log_chain ON staff_log (org_id, seq);

-- The last row's number and hash. Whoever writes a row takes this row first, so several gateways write one chain.
CREATE TABLE staff_log_head (
    org_id TEXT PRIMARY KEY REFERENCES org (id),
    seq BIGINT NOT NULL,
    -- NULL before the first row.
    hash BYTEA
);
INSERT INTO staff_log_head (org_id, seq) SELECT id, 0 FROM org;
