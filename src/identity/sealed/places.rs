//! Every column whose values are sealed: how those of another key are found, replaced, and counted by key.
//!
//! A new column gets its lines here; `every_sealed_column_is_moved_to_the_new_key` finds one that was forgotten, and
//! runs each of these texts on both databases.

use crate::store::{Reader, StoreError, Tx, execute, fetch_all};
use crate::vault::Field;

/// One value. `id` is what it is bound to, beside its column.
#[derive(sqlx::FromRow)]
pub struct Found {
    pub id: String,
    pub sealed: Vec<u8>,
}

macro_rules! places {
    ($($place:ident: $field:ident, $find:literal, $replace:literal, $count:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Place { $($place),* }

        impl Place {
            pub const ALL: &[Place] = &[$(Place::$place),*];

            /// What its values were sealed as.
            pub const fn field(self) -> Field {
                match self { $(Place::$place => Field::$field),* }
            }

            /// Values behind `after` that do not begin with `header`, in the order of their rows.
            pub async fn find(
                self, read: &mut Reader, after: &str, header: &[u8], limit: i64,
            ) -> Result<Vec<Found>, StoreError> {
                match self { $(Place::$place => fetch_all!(read, Found, $find, after, header, limit)),* }
            }

            /// Puts `new` in the value's place, if that is still there: somebody may have written another meanwhile.
            pub async fn replace(self, tx: &mut Tx, found: &Found, new: &[u8]) -> Result<bool, StoreError> {
                let (id, old) = (found.id.as_str(), found.sealed.as_slice());
                let changed = match self { $(Place::$place => execute!(tx, $replace, id, old, new)),* };
                Ok(changed? > 0)
            }

            #[cfg(test)]
            pub fn count_text(self) -> &'static str {
                match self { $(Place::$place => $count),* }
            }

            /// How values begin, and how many begin so.
            pub async fn count(self, read: &mut Reader) -> Result<Vec<(Vec<u8>, i64)>, StoreError> {
                match self { $(Place::$place => fetch_all!(read, (Vec<u8>, i64), $count)),* }
            }
        }
    };
}

places! {
    RegistrationName: RegistrationName,
        "SELECT id, name_sealed AS sealed FROM registration WHERE id > $1 AND substr(name_sealed, 1, 5) <> $2
            ORDER BY id LIMIT $3",
        "UPDATE registration SET name_sealed = $3 WHERE id = $1 AND name_sealed = $2",
        "SELECT substr(name_sealed, 1, 5), COUNT(*) FROM registration WHERE name_sealed IS NOT NULL GROUP BY 1";
    RegistrationPhone: RegistrationPhone,
        "SELECT id, phone_sealed AS sealed FROM registration WHERE id > $1 AND substr(phone_sealed, 1, 5) <> $2
            ORDER BY id LIMIT $3",
        "UPDATE registration SET phone_sealed = $3 WHERE id = $1 AND phone_sealed = $2",
        "SELECT substr(phone_sealed, 1, 5), COUNT(*) FROM registration WHERE phone_sealed IS NOT NULL GROUP BY 1";
    RegistrationDocument: RegistrationDocument,
        "SELECT id, document_sealed AS sealed FROM registration WHERE id > $1 AND substr(document_sealed, 1, 5) <>
            $2 ORDER BY id LIMIT $3",
        "UPDATE registration SET document_sealed = $3 WHERE id = $1 AND document_sealed = $2",
        "SELECT substr(document_sealed, 1, 5), COUNT(*) FROM registration WHERE document_sealed IS NOT NULL GROUP
            BY 1";
    RegistrationCoBuyers: RegistrationCoBuyers,
        "SELECT id, co_buyers_sealed AS sealed FROM registration WHERE id > $1 AND substr(co_buyers_sealed, 1, 5)
            <> $2 ORDER BY id LIMIT $3",
        "UPDATE registration SET co_buyers_sealed = $3 WHERE id = $1 AND co_buyers_sealed = $2",
        "SELECT substr(co_buyers_sealed, 1, 5), COUNT(*) FROM registration WHERE co_buyers_sealed IS NOT NULL
            GROUP BY 1";
    RegistrationProxy: RegistrationProxy,
        "SELECT id, proxy_sealed AS sealed FROM registration WHERE id > $1 AND substr(proxy_sealed, 1, 5) <> $2
            ORDER BY id LIMIT $3",
        "UPDATE registration SET proxy_sealed = $3 WHERE id = $1 AND proxy_sealed = $2",
        "SELECT substr(proxy_sealed, 1, 5), COUNT(*) FROM registration WHERE proxy_sealed IS NOT NULL GROUP BY 1";
    RegistrationRemarks: RegistrationRemarks,
        "SELECT id, remarks_sealed AS sealed FROM registration WHERE id > $1 AND substr(remarks_sealed, 1, 5) <>
            $2 ORDER BY id LIMIT $3",
        "UPDATE registration SET remarks_sealed = $3 WHERE id = $1 AND remarks_sealed = $2",
        "SELECT substr(remarks_sealed, 1, 5), COUNT(*) FROM registration WHERE remarks_sealed IS NOT NULL GROUP BY
            1";
    AsideName: RegistrationName,
        "SELECT r.id, a.name_sealed AS sealed FROM registration_aside a JOIN registration r ON r.opening_id =
            a.opening_id AND r.ord = a.ord WHERE r.id > $1 AND substr(a.name_sealed, 1, 5) <> $2 ORDER BY r.id LIMIT
            $3",
        "UPDATE registration_aside SET name_sealed = $3 WHERE opening_id = (SELECT opening_id FROM registration
            WHERE id = $1) AND ord = (SELECT ord FROM registration WHERE id = $1) AND name_sealed = $2",
        "SELECT substr(name_sealed, 1, 5), COUNT(*) FROM registration_aside WHERE name_sealed IS NOT NULL GROUP BY
            1";
    AsidePhone: RegistrationPhone,
        "SELECT r.id, a.phone_sealed AS sealed FROM registration_aside a JOIN registration r ON r.opening_id =
            a.opening_id AND r.ord = a.ord WHERE r.id > $1 AND substr(a.phone_sealed, 1, 5) <> $2 ORDER BY r.id LIMIT
            $3",
        "UPDATE registration_aside SET phone_sealed = $3 WHERE opening_id = (SELECT opening_id FROM registration
            WHERE id = $1) AND ord = (SELECT ord FROM registration WHERE id = $1) AND phone_sealed = $2",
        "SELECT substr(phone_sealed, 1, 5), COUNT(*) FROM registration_aside WHERE phone_sealed IS NOT NULL GROUP
            BY 1";
    AsideDocument: RegistrationDocument,
        "SELECT r.id, a.document_sealed AS sealed FROM registration_aside a JOIN registration r ON r.opening_id =
            a.opening_id AND r.ord = a.ord WHERE r.id > $1 AND substr(a.document_sealed, 1, 5) <> $2 ORDER BY r.id
            LIMIT $3",
        "UPDATE registration_aside SET document_sealed = $3 WHERE opening_id = (SELECT opening_id FROM
            registration WHERE id = $1) AND ord = (SELECT ord FROM registration WHERE id = $1) AND document_sealed =
            $2",
        "SELECT substr(document_sealed, 1, 5), COUNT(*) FROM registration_aside WHERE document_sealed IS NOT NULL
            GROUP BY 1";
    AsideCoBuyers: RegistrationCoBuyers,
        "SELECT r.id, a.co_buyers_sealed AS sealed FROM registration_aside a JOIN registration r ON r.opening_id =
            a.opening_id AND r.ord = a.ord WHERE r.id > $1 AND substr(a.co_buyers_sealed, 1, 5) <> $2 ORDER BY r.id
            LIMIT $3",
        "UPDATE registration_aside SET co_buyers_sealed = $3 WHERE opening_id = (SELECT opening_id FROM
            registration WHERE id = $1) AND ord = (SELECT ord FROM registration WHERE id = $1) AND co_buyers_sealed =
            $2",
        "SELECT substr(co_buyers_sealed, 1, 5), COUNT(*) FROM registration_aside WHERE co_buyers_sealed IS NOT
            NULL GROUP BY 1";
    AsideProxy: RegistrationProxy,
        "SELECT r.id, a.proxy_sealed AS sealed FROM registration_aside a JOIN registration r ON r.opening_id =
            a.opening_id AND r.ord = a.ord WHERE r.id > $1 AND substr(a.proxy_sealed, 1, 5) <> $2 ORDER BY r.id LIMIT
            $3",
        "UPDATE registration_aside SET proxy_sealed = $3 WHERE opening_id = (SELECT opening_id FROM registration
            WHERE id = $1) AND ord = (SELECT ord FROM registration WHERE id = $1) AND proxy_sealed = $2",
        "SELECT substr(proxy_sealed, 1, 5), COUNT(*) FROM registration_aside WHERE proxy_sealed IS NOT NULL GROUP
            BY 1";
    AsideRemarks: RegistrationRemarks,
        "SELECT r.id, a.remarks_sealed AS sealed FROM registration_aside a JOIN registration r ON r.opening_id =
            a.opening_id AND r.ord = a.ord WHERE r.id > $1 AND substr(a.remarks_sealed, 1, 5) <> $2 ORDER BY r.id
            LIMIT $3",
        "UPDATE registration_aside SET remarks_sealed = $3 WHERE opening_id = (SELECT opening_id FROM registration
            WHERE id = $1) AND ord = (SELECT ord FROM registration WHERE id = $1) AND remarks_sealed = $2",
        "SELECT substr(remarks_sealed, 1, 5), COUNT(*) FROM registration_aside WHERE remarks_sealed IS NOT NULL
            GROUP BY 1";
    OutboxRecipient: OutboxRecipient,
        "SELECT id, recipient_sealed AS sealed FROM outbox WHERE id > $1 AND substr(recipient_sealed, 1, 5) <> $2
            ORDER BY 1 LIMIT $3",
        "UPDATE outbox SET recipient_sealed = $3 WHERE id = $1 AND recipient_sealed = $2",
        "SELECT substr(recipient_sealed, 1, 5), COUNT(*) FROM outbox WHERE recipient_sealed IS NOT NULL GROUP BY 1";
    OutboxParams: OutboxParams,
        "SELECT id, params_sealed AS sealed FROM outbox WHERE id > $1 AND substr(params_sealed, 1, 5) <> $2 ORDER
            BY 1 LIMIT $3",
        "UPDATE outbox SET params_sealed = $3 WHERE id = $1 AND params_sealed = $2",
        "SELECT substr(params_sealed, 1, 5), COUNT(*) FROM outbox WHERE params_sealed IS NOT NULL GROUP BY 1";
    StaffName: StaffName,
        "SELECT id, name_sealed AS sealed FROM staff WHERE id > $1 AND substr(name_sealed, 1, 5) <> $2 ORDER BY 1
            LIMIT $3",
        "UPDATE staff SET name_sealed = $3 WHERE id = $1 AND name_sealed = $2",
        "SELECT substr(name_sealed, 1, 5), COUNT(*) FROM staff WHERE name_sealed IS NOT NULL GROUP BY 1";
    StaffLogParams: StaffLogParams,
        "SELECT id, params_sealed AS sealed FROM staff_log WHERE id > $1 AND substr(params_sealed, 1, 5) <> $2
            ORDER BY 1 LIMIT $3",
        "UPDATE staff_log SET params_sealed = $3 WHERE id = $1 AND params_sealed = $2",
        "SELECT substr(params_sealed, 1, 5), COUNT(*) FROM staff_log WHERE params_sealed IS NOT NULL GROUP BY 1";
    StaffSessionOrigin: StaffSessionOrigin,
        "SELECT id, origin_sealed AS sealed FROM staff_session WHERE id > $1 AND substr(origin_sealed, 1, 5) <> $2
            ORDER BY 1 LIMIT $3",
        "UPDATE staff_session SET origin_sealed = $3 WHERE id = $1 AND origin_sealed = $2",
        "SELECT substr(origin_sealed, 1, 5), COUNT(*) FROM staff_session WHERE origin_sealed IS NOT NULL GROUP BY
            1";
    StaffSecondFactor: StaffSecondFactor,
        "SELECT staff_id AS id, secret_sealed AS sealed FROM staff_second_factor WHERE staff_id > $1 AND
            substr(secret_sealed, 1, 5) <> $2 ORDER BY 1 LIMIT $3",
        "UPDATE staff_second_factor SET secret_sealed = $3 WHERE staff_id = $1 AND secret_sealed = $2",
        "SELECT substr(secret_sealed, 1, 5), COUNT(*) FROM staff_second_factor WHERE secret_sealed IS NOT NULL GROUP BY 1";
    BuyerSessionLabel: BuyerSessionLabel,
        "SELECT id, label_sealed AS sealed FROM buyer_session WHERE id > $1 AND substr(label_sealed, 1, 5) <> $2
            ORDER BY 1 LIMIT $3",
        "UPDATE buyer_session SET label_sealed = $3 WHERE id = $1 AND label_sealed = $2",
        "SELECT substr(label_sealed, 1, 5), COUNT(*) FROM buyer_session WHERE label_sealed IS NOT NULL GROUP BY 1";
    WechatToken: WechatToken,
        "SELECT app_id || '/' || kind AS id, value_sealed AS sealed FROM wechat_token WHERE app_id || '/' || kind
            > $1 AND substr(value_sealed, 1, 5) <> $2 ORDER BY 1 LIMIT $3",
        "UPDATE wechat_token SET value_sealed = $3 WHERE app_id || '/' || kind = $1 AND value_sealed = $2",
        "SELECT substr(value_sealed, 1, 5), COUNT(*) FROM wechat_token WHERE value_sealed IS NOT NULL GROUP BY 1";
    WechatOpenid: WechatOpenid,
        "SELECT id, openid_sealed AS sealed FROM wechat_account WHERE id > $1 AND substr(openid_sealed, 1, 5) <>
            $2 ORDER BY 1 LIMIT $3",
        "UPDATE wechat_account SET openid_sealed = $3 WHERE id = $1 AND openid_sealed = $2",
        "SELECT substr(openid_sealed, 1, 5), COUNT(*) FROM wechat_account WHERE openid_sealed IS NOT NULL GROUP BY
            1";
    WechatSignInOpenid: WechatSignInOpenid,
        "SELECT id, openid_sealed AS sealed FROM wechat_sign_in WHERE id > $1 AND substr(openid_sealed, 1, 5) <>
            $2 ORDER BY 1 LIMIT $3",
        "UPDATE wechat_sign_in SET openid_sealed = $3 WHERE id = $1 AND openid_sealed = $2",
        "SELECT substr(openid_sealed, 1, 5), COUNT(*) FROM wechat_sign_in WHERE openid_sealed IS NOT NULL GROUP BY
            1";
}
