//! QR codes of the account that carry a word of ours: scene codes.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fast_qr::{Module, QRBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Errcode, Refused};
use super::params::{self, Params};
use super::{WeChat, random};

const EXPIRE_S_MAX: i64 = 2_592_000;
const EXPIRE_S_DEFAULT: i64 = 60;
const SCENE_CHARS_MAX: usize = 64;
const KEPT_MAX: usize = 10_000;
/// A code's own quiet edge, and how large one of its squares is drawn.
const EDGE: usize = 4;
const SQUARE: usize = 6;

struct Scene {
    url: String,
    ends_ms: i64,
}

/// By ticket.
#[derive(Default)]
pub struct Scenes(HashMap<String, Scene>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    expire_seconds: Option<i64>,
    action_name: String,
    action_info: ActionInfo,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionInfo {
    scene: SceneText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneText {
    scene_str: String,
}

pub async fn create(
    State(wechat): State<WeChat>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    wechat.with_token(query.as_deref())?;
    let wanted: Wanted = params::body(&body)?;
    let expire_s = wanted.expire_seconds.unwrap_or(EXPIRE_S_DEFAULT);
    let scene_chars = wanted.action_info.scene.scene_str.chars().count();
    if wanted.action_name != "QR_STR_SCENE"
        || !(1..=EXPIRE_S_MAX).contains(&expire_s)
        || !(1..=SCENE_CHARS_MAX).contains(&scene_chars)
    {
        return Err(Errcode::ActionInvalid.into());
    }
    let now_ms = wechat.now_ms();
    // With characters that a query must escape, as real ones have.
    let (ticket, url) = (format!("gQ{}+/w==", random(80)), format!("http://weixin.qq.com/q/{}", random(20)));
    let mut state = wechat.state();
    if state.scenes.0.len() >= KEPT_MAX {
        state.scenes.0.retain(|_, scene| scene.ends_ms > now_ms);
    }
    if state.scenes.0.len() >= KEPT_MAX {
        return Err(Errcode::Busy.into());
    }
    let scene = Scene { url: url.clone(), ends_ms: now_ms + expire_s * 1_000 };
    state.scenes.0.insert(ticket.clone(), scene);
    Ok(Json(json!({ "ticket": ticket, "expire_seconds": expire_s, "url": url })))
}

pub async fn show(State(wechat): State<WeChat>, RawQuery(query): RawQuery) -> Response {
    let ticket = Params::read(query.as_deref(), &[("ticket", Some(Errcode::ArgumentInvalid))]);
    let url = ticket.ok().and_then(|params| {
        let state = wechat.state();
        let scene = state.scenes.0.get(params.get("ticket"));
        scene.filter(|scene| scene.ends_ms > wechat.now_ms()).map(|scene| scene.url.clone())
    });
    let image = url.and_then(|url| png_of(&url));
    match image {
        Some(image) => ([(header::CONTENT_TYPE, "image/png")], image).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The code as a picture that any reader reads.
fn png_of(text: &str) -> Option<Vec<u8>> {
    let code = QRBuilder::new(text).build().ok()?;
    let size = (code.size + 2 * EDGE) * SQUARE;
    let dark = |at: usize| (at / SQUARE).checked_sub(EDGE).filter(|at| *at < code.size);
    let pixels: Vec<u8> = (0..size * size)
        .map(|at| match (dark(at / size), dark(at % size)) {
            (Some(y), Some(x)) if code[y][x].value() == Module::DARK => 0,
            _ => 255,
        })
        .collect();
    let mut image = Vec::new();
    let side = u32::try_from(size).ok()?;
    let mut encoder = png::Encoder::new(&mut image, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().ok()?.write_image_data(&pixels).ok()?;
    Some(image)
}
