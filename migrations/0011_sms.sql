-- What becomes of a message: shown on the outbox page only, or sent by SMS.
--
-- 'shown' is final, and so are 'sent' (a provider took it) and 'failed'. 'queued' waits until `due_at`. 'sending' is one
-- gateway's, named in `claimed_by`, until `due_at`; a claim that ran out is never sent again, because nobody knows whether
-- the provider had it.
ALTER TABLE outbox ADD COLUMN state TEXT NOT NULL DEFAULT 'shown';
ALTER TABLE outbox ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN due_at BIGINT;
-- From then on it is worth nothing.
ALTER TABLE outbox ADD COLUMN expires_at BIGINT;
ALTER TABLE outbox ADD COLUMN claimed_by TEXT;
-- Why the last attempt failed, in our words and in the provider's own.
ALTER TABLE outbox ADD COLUMN reason TEXT;
ALTER TABLE outbox ADD COLUMN detail TEXT;
ALTER TABLE outbox ADD COLUMN settled_at BIGINT;
CREATE INDEX outbox_due ON outbox (due_at) WHERE state IN ('queued', 'sending');
