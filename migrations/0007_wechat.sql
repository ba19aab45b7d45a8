-- WeChat: the account's own tokens, and whose WeChat is whose.
--
-- An openid is a person's number at one Official Account. It is sealed, and found again by its blind index, like a phone.

-- What WeChat gives the account for about two hours: 'access' and 'jsapi'. One row for all gateways, fetched by the one
-- that holds the lease 'wechat/APP/KIND'.
CREATE TABLE wechat_token (
    app_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    org_id TEXT NOT NULL REFERENCES org (id),
    value_sealed BYTEA NOT NULL,
    fetched_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- When a new one was last forced: that may be done twenty times a day.
    forced_at BIGINT,
    PRIMARY KEY (app_id, kind)
);

-- A WeChat user and the phone that they proved with a code. The phone is held as its index alone, which is all that
-- finds a registration.
CREATE TABLE wechat_account (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    app_id TEXT NOT NULL,
    openid_bidx BYTEA NOT NULL,
    openid_sealed BYTEA NOT NULL,
    phone_bidx BYTEA NOT NULL,
    -- Numbers change hands: what was proven long ago is proven again.
    proven_at BIGINT NOT NULL,
    UNIQUE (app_id, openid_bidx)
);

-- A sign-in under way: made when a page asks for one, given the openid when WeChat has led back, gone when it is used.
-- What the browser keeps and what WeChat carries are two secrets; both are held as hashes.
CREATE TABLE wechat_sign_in (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES org (id),
    opening_id TEXT NOT NULL REFERENCES opening (id),
    app_id TEXT NOT NULL,
    browser_hash BYTEA NOT NULL UNIQUE,
    -- NULL once it was used.
    state_hash BYTEA UNIQUE,
    -- NULL until WeChat has said who it is.
    openid_bidx BYTEA,
    openid_sealed BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX wechat_sign_in_by_age ON wechat_sign_in (expires_at);
