-- The second factor of staff: codes of an authenticator app (RFC 6238), and recovery codes for the day the phone is lost.

CREATE TABLE staff_second_factor (
    staff_id TEXT PRIMARY KEY REFERENCES staff (id),
    org_id TEXT NOT NULL REFERENCES org (id),
    secret_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    -- NULL: shown once and not confirmed by a code yet; until then nothing asks for it.
    confirmed_at BIGINT,
    -- The newest time step whose code was taken: no code of it or of an older one is taken again, at any gateway.
    last_step BIGINT NOT NULL
);

-- A row is a code that was not used yet.
CREATE TABLE staff_recovery_code (
    code_hash BYTEA PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    staff_id TEXT NOT NULL REFERENCES staff (id)
);
CREATE INDEX staff_recovery_code_by_staff ON staff_recovery_code (staff_id);

-- Then whoever has no second factor can do nothing but set one up.
ALTER TABLE org ADD COLUMN second_factor_required BOOLEAN NOT NULL DEFAULT FALSE;
