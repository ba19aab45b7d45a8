-- A member of staff sees where the account is signed in, and ends what is not theirs.

-- What the session is called where its token must not appear. NULL: begun under a program before this column.
ALTER TABLE staff_session ADD COLUMN id TEXT;
-- From which address and with which browser, as sealed JSON.
ALTER TABLE staff_session ADD COLUMN origin_sealed BYTEA;
CREATE UNIQUE INDEX staff_session_by_id ON staff_session (id);
