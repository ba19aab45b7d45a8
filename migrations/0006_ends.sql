-- Money of holds that ended is found by their claims: a burst of holds lapses in one second.
CREATE INDEX payment_by_claim ON payment (claim_id);
