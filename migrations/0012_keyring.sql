-- Keys change while gateways run: each says with which one it seals, so that none is retired while one still does.

-- NULL: by a program before this column, or not said yet.
ALTER TABLE gateway ADD COLUMN sealing_key BIGINT;
