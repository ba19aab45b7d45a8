//! What the buyers' door says, as `docs/protocol.md` has it. These types are the door's own: the layers below never see
//! them, and a change of theirs can not change the wire unnoticed (`tests/data/frames/` holds golden copies).

mod convert;
mod frame;
mod scan;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use convert::{catalogue_units, claim, control, device_request, opening, registration};
pub use frame::{ClientFrame, Hello, ServerFrame, board_frame, snapshot_frame, status_digits, write_answer};

/// One value for each kind of unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PerKind<T> {
    pub home: T,
    pub parking: T,
    pub shop: T,
    pub storage: T,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OpeningList {
    pub openings: Vec<Opening>,
}

/// A published opening as anyone may see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Opening {
    pub id: String,
    pub name: String,
    pub project_name: String,
    pub phase: &'static str,
    pub paused: bool,
    pub start_ms: i64,
    pub end_ms: i64,
    pub now_ms: i64,
    pub hold_s: i64,
    pub favourites_max: u32,
    pub participants: usize,
    pub deposit_fen: PerKind<i64>,
    pub quota: PerKind<u16>,
    pub catalogue_hash: String,
    pub units_hash: String,
    pub roster_hash: String,
    pub rehearsal: bool,
    pub simulated: bool,
    /// Whether buyers may sign in by WeChat.
    pub wechat: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Catalogue {
    pub hash: String,
    pub units: Vec<CatalogueUnit>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CatalogueUnit {
    pub unit: u32,
    pub kind: &'static str,
    pub building: String,
    pub section: String,
    pub floor: String,
    pub room: String,
    pub layout: String,
    pub facing: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gross_area_centi: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_area_centi: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_price_fen: Option<i64>,
    pub total_fen: i64,
    pub remarks: String,
}

/// The whole board: one digit a unit, by ordinal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Board {
    pub seq: i64,
    #[schema(example = "0120")]
    pub status: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct CodeRequest {
    pub phone: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CodeSent {
    pub resend_after_ms: i64,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct SignIn {
    pub phone: String,
    pub code: String,
    /// Which registration, when the phone has several.
    #[serde(default)]
    pub registration: Option<String>,
    /// What the device calls itself; shown to the owner's other devices.
    #[serde(default)]
    pub device: String,
    /// Bind the WeChat user whom this browser came back as to the phone, once it is proven.
    #[serde(default)]
    pub bind_wechat: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WechatStarted {
    /// Where the page goes.
    pub authorize_url: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct WechatFinish {
    /// Which registration, when the phone has several.
    #[serde(default)]
    pub registration: Option<String>,
    /// What the device calls itself.
    #[serde(default)]
    pub device: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignedIn {
    pub token: String,
    pub device: &'static str,
    pub me: Me,
    /// From now on WeChat alone signs this buyer in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wechat_bound: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Me {
    pub registration: Registration,
    pub device: &'static str,
    pub session: String,
    pub favourites: Vec<u32>,
    pub claims: Vec<Claim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_request: Option<DeviceRequest>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Registration {
    pub code: String,
    pub name_masked: String,
    pub group: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lot_number: Option<i64>,
    pub quota: PerKind<u16>,
    pub eligibility: &'static str,
    pub earnest_fen: i64,
}

/// Another device asks to pick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceRequest {
    pub session: String,
    pub label: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Favourites {
    /// Unit ordinals in the buyer's order.
    pub units: Vec<u32>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct PickRequest {
    /// 8 to 40 characters of `A–Z a–z 0–9 - _`, one for each tap.
    pub key: String,
    pub unit: u32,
    /// The tap was sent before and may have been taken: after `in_progress`, or a link that broke.
    #[serde(default)]
    pub again: bool,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct GiveUp {
    pub generation: i64,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct DeviceAgreement {
    pub session: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Claim {
    pub id: String,
    pub unit: u32,
    pub state: &'static str,
    pub generation: i64,
    /// What the buyer shows at the cashier.
    pub code: String,
    pub deposit_fen: i64,
    pub paid_fen: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<i64>,
    pub created_ms: i64,
    pub seq: i64,
    pub extended: bool,
}

/// What became of a pick. `in_progress` and `unknown` are not answers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Yes {
        key: String,
        claim: Claim,
    },
    No {
        key: String,
        code: &'static str,
        #[schema(value_type = Object)]
        params: Map<String, Value>,
    },
    /// Repeat the same pick with the same key.
    InProgress {
        key: String,
    },
    /// Ask with the key until it is yes or no.
    Unknown {
        key: String,
    },
}

/// What the big screen shows beyond the board.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Screen {
    pub now_ms: i64,
    pub seq: i64,
    pub phase: &'static str,
    pub paused: bool,
    pub start_ms: i64,
    pub end_ms: i64,
    pub participants: usize,
    pub units: usize,
    pub sold: usize,
    pub held: usize,
    pub free: usize,
    pub withheld: usize,
    /// Deals ÷ units not withheld, in basis points.
    pub sell_through_bp: usize,
    pub last_deals: Vec<ScreenDeal>,
    pub units_hash: String,
    pub roster_hash: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScreenDeal {
    pub unit: u32,
    pub name_masked: String,
    pub at_ms: i64,
    pub state: &'static str,
}

/// An error, as `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub code: String,
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    pub request_id: String,
}
