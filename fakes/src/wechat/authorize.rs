//! The page that WeChat shows before it hands out a code. A fake cannot know whose phone it is on, so it asks which of its
//! people you are, keeps that in a cookie, and from then on is as silent as the real one.

use std::fmt::Write;

use axum::extract::{RawForm, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::WeChat;
use super::cast::{Person, people, person};
use super::oauth::Scope;

const COOKIE: &str = "fake_wechat_user";
const STATE_BYTES_MAX: usize = 128;

/// What a sign-in asks for. WeChat compares the query with a pattern: a name in another place is refused.
struct Asked {
    redirect_uri: String,
    scope: Scope,
    state: String,
}

/// Why the page shows nothing but an error, with the number that the real one shows.
type Fault = (u32, &'static str);

fn read(wechat: &WeChat, query: Option<&str>) -> Result<Asked, Fault> {
    const NAMES: [&str; 5] = ["appid", "redirect_uri", "response_type", "scope", "state"];
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let given: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    if given != NAMES {
        return Err((10_000, "参数不全，或顺序不是 appid、redirect_uri、response_type、scope、state"));
    }
    let value = |at: usize| pairs.get(at).map_or("", |(_, value)| value.as_str());
    let [appid, redirect_uri, response_type, scope, state] = [0, 1, 2, 3, 4].map(value);
    if appid != wechat.settings().app_id {
        return Err((10_016, "appid 不是这个公众号"));
    }
    let host = host_of(redirect_uri).ok_or((10_011, "redirect_uri 不是完整的 http(s) 地址"))?;
    let domains = &wechat.settings().domains;
    if !domains.is_empty() && !domains.iter().any(|domain| domain == host) {
        return Err((10_003, "redirect_uri 域名与后台配置不一致"));
    }
    if response_type != "code" {
        return Err((10_000, "response_type 只能是 code"));
    }
    let scope = Scope::read(scope).ok_or((10_005, "scope 参数错误或没有 scope 权限"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    if state.len() > STATE_BYTES_MAX || !state.bytes().all(plain) {
        return Err((10_013, "state 只能是 128 个以内的字母和数字"));
    }
    Ok(Asked { redirect_uri: redirect_uri.to_owned(), scope, state: state.to_owned() })
}

fn host_of(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    (!host.is_empty() && !host.contains('@')).then_some(host)
}

pub async fn ask(State(wechat): State<WeChat>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let asked = match read(&wechat, query.as_deref()) {
        Ok(asked) => asked,
        Err(fault) => return error(fault),
    };
    let known = chosen(&headers);
    match known {
        Some(person) if asked.scope == Scope::Base => back_with_code(&wechat, &asked, person),
        _ => page("微信授权", &choice(known, "", &consent(asked.scope))),
    }
}

pub async fn decide(
    State(wechat): State<WeChat>,
    RawQuery(query): RawQuery,
    RawForm(form): RawForm,
) -> Response {
    let asked = match read(&wechat, query.as_deref()) {
        Ok(asked) => asked,
        Err(fault) => return error(fault),
    };
    let field = |wanted: &str| {
        form_urlencoded::parse(&form).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    // As the real one: without a code, with the state.
    if field("choice").as_deref() != Some("allow") {
        return back(&asked, &[]);
    }
    let Some(person) = field("user").as_deref().and_then(person) else {
        return error((10_000, "请选择一个微信用户"));
    };
    let mut response = back_with_code(&wechat, &asked, person);
    remember(&mut response, person);
    response
}

/// Who I am in this WeChat.
pub async fn who(headers: HeaderMap) -> Response {
    let known = chosen(&headers);
    let now = known.map_or("还没有选择微信用户", |person| person.nickname);
    page("模拟微信", &choice(known, now, "<button name=choice value=allow>换成这个用户</button>"))
}

pub async fn change(RawForm(form): RawForm) -> Response {
    let user =
        form_urlencoded::parse(&form).find(|(name, _)| name == "user").map(|(_, value)| value.into_owned());
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response();
    if let Some(person) = user.as_deref().and_then(person) {
        remember(&mut response, person);
    }
    response
}

fn chosen(headers: &HeaderMap) -> Option<&'static Person> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).find_map(|(_, value)| person(value))
}

fn remember(response: &mut Response, person: &Person) {
    let line = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", person.key);
    if let Ok(line) = line.parse() {
        response.headers_mut().insert(header::SET_COOKIE, line);
    }
}

fn back_with_code(wechat: &WeChat, asked: &Asked, person: &'static Person) -> Response {
    match wechat.new_code(person, asked.scope) {
        Ok(code) => back(asked, &[("code", &code)]),
        Err(refused) => refused.into_response(),
    }
}

fn back(asked: &Asked, more: &[(&str, &str)]) -> Response {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(more)
        .append_pair("state", &asked.state)
        .finish();
    let joint = if asked.redirect_uri.contains('?') { '&' } else { '?' };
    let location = format!("{}{joint}{query}", asked.redirect_uri);
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

fn error((number, words): Fault) -> Response {
    let body = format!("<h1>{words}</h1><p>错误码：{number}</p>");
    (StatusCode::BAD_REQUEST, page("出错了", &body)).into_response()
}

fn consent(scope: Scope) -> String {
    let asks = match scope {
        Scope::Base => "网页想知道你是哪个微信用户",
        Scope::UserInfo => "网页想获取你的昵称、头像",
    };
    format!(
        "<p>{asks}</p><button name=choice value=allow>同意</button><button name=choice value=refuse class=no>拒绝</button>"
    )
}

fn choice(known: Option<&Person>, now: &str, actions: &str) -> String {
    let mut options = String::new();
    for (at, person) in people().iter().enumerate() {
        let checked = known.map_or(at == 0, |known| known.key == person.key);
        // Writing to a string does not fail.
        let _ = write!(
            options,
            "<label><input type=radio name=user value={}{}><b>{}</b><small>{}</small></label>",
            person.key,
            if checked { " checked" } else { "" },
            person.nickname,
            person.note
        );
    }
    let now = if now.is_empty() { String::new() } else { format!("<p>现在是：<b>{now}</b></p>") };
    format!("<h1>选择微信用户</h1>{now}<form method=post>{options}{actions}</form>")
}

fn page(title: &str, body: &str) -> Response {
    Html(format!(
        "<!doctype html><html lang=zh-CN><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style><header>模拟微信 · 仅供试用和测试</header><main>{body}</main></html>"
    ))
    .into_response()
}

const STYLE: &str = "body{margin:0;background:#ededed;color:#191919;font:16px/1.6 'PingFang SC','Noto Sans SC','Microsoft YaHei',sans-serif}\
header{padding:8px 16px;background:#2c2c2c;color:#fff;font-size:14px}main{max-width:430px;margin:0 auto;padding:16px}\
h1{font-size:20px}label{display:flex;align-items:center;min-height:52px;margin:0 0 8px;padding:0 12px;background:#fff;border-radius:6px}\
label b{margin:0 12px}small{color:#595959}button{display:block;width:100%;min-height:48px;margin:16px 0 0;border:0;border-radius:6px;\
background:#067a3d;color:#fff;font-size:17px}button.no{background:#fff;color:#191919}";
