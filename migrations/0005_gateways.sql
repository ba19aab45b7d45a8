-- What each server process says of itself, again and again, in its own row: `kaipan status` and the console look here, so
-- that they see every gateway of an installation, the one that fell silent too. Nothing decides by it; only the clocks are
-- compared by it, as before.

-- What people call it, which program it is, and where its doors listen.
ALTER TABLE gateway ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE gateway ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE gateway ADD COLUMN buyers_door TEXT NOT NULL DEFAULT '';
ALTER TABLE gateway ADD COLUMN staff_door TEXT NOT NULL DEFAULT '';
-- starting, ready, draining or gone. Empty: a row that only compares clocks.
ALTER TABLE gateway ADD COLUMN state TEXT NOT NULL DEFAULT '';
-- Until then, by the database's time, it will have spoken again if it lives.
ALTER TABLE gateway ADD COLUMN alive_until BIGINT NOT NULL DEFAULT 0;
-- When clock_offset_us was measured: a process speaks before any of its openings has a clock to compare. NULL: by a
-- program before this column, for which seen_at counts.
ALTER TABLE gateway ADD COLUMN clock_at BIGINT;
-- How it fares, as JSON (src/status/report.rs), and the version of that.
ALTER TABLE gateway ADD COLUMN report_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE gateway ADD COLUMN report TEXT NOT NULL DEFAULT '{}';
