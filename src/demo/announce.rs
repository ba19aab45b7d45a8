//! What the terminal says: where to look, who to be, how it ended. Chinese first, English second.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use fast_qr::QRBuilder;
use serde_json::Value;

use super::state::{Link, State};

/// The rows of a QR code, `1` dark; none if the text does not fit into one.
pub(super) fn qr(text: &str) -> Option<Vec<String>> {
    let code = QRBuilder::new(text).build().ok()?;
    let row = |y: usize| (0..code.size).map(|x| if code[y][x].value() { '1' } else { '0' }).collect();
    Some((0..code.size).map(row).collect())
}

/// Two rows of modules to a line of text, dark on light whatever the terminal's colours are, with the quiet zone that
/// scanners need.
pub(super) fn qr_lines(rows: &[String]) -> String {
    const QUIET: usize = 2;
    let size = rows.len() + 2 * QUIET;
    let dark = |x: usize, y: usize| {
        let at = |n: usize| n.checked_sub(QUIET);
        let row = at(y).and_then(|y| rows.get(y));
        at(x).zip(row).and_then(|(x, row)| row.as_bytes().get(x)).is_some_and(|module| *module == b'1')
    };
    let mut text = String::new();
    for y in (0..size).step_by(2) {
        text.push_str("  \x1b[30;107m");
        for x in 0..size {
            text.push(match (dark(x, y), dark(x, y + 1)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            });
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

/// Everything a newcomer needs, once the server is up.
pub(super) fn opening(state: &State, starts_in_ms: i64) {
    let mut text = String::new();
    let mut line = |zh: &str, en: &str, value: &str| {
        // Written to a String: cannot fail.
        let _ = writeln!(text, "  {zh}  {en:<14} {value}");
    };
    for Link { what, url, .. } in &state.links {
        let (zh, en) = name_of(what);
        line(zh, en, url);
    }
    if let Some(staff) = &state.staff {
        line("员工登录", "staff log-in", &format!("{} / {}", staff.login, staff.password));
    }
    for newcomer in &state.newcomers {
        let code = newcomer.code.as_deref().unwrap_or("——");
        line(
            "演示买家",
            "demo buyer",
            &format!("{}  {}  验证码 code {code}", newcomer.registration, newcomer.phone),
        );
    }
    let title = state
        .opening
        .as_ref()
        .map_or_else(String::new, |opening| format!("{} {}", opening.project_name, opening.name));
    let phone = state.links.iter().find_map(|link| link.qr.as_deref()).map(qr_lines).unwrap_or_default();
    let (zh, en) = when(starts_in_ms);
    say(&format!(
        "\n{title} · 模拟买家的演示 · a demo with a simulated crowd\n\n{phone}\n{text}\n  \
         {zh}；在演示页可以杀掉服务器 · {en}; the demo page can kill the server\n  \
         Ctrl-C 停止，再次运行会继续 · Ctrl-C stops, running again resumes\n"
    ));
}

/// A demo that is resumed, or whose server took long to start, may be open already.
fn when(starts_in_ms: i64) -> (String, String) {
    if starts_in_ms <= 0 {
        return ("已开盘".to_owned(), "open".to_owned());
    }
    let starts_in_s = (starts_in_ms + 999) / 1_000;
    (format!("{starts_in_s} 秒后开盘"), format!("opens in {starts_in_s} s"))
}

fn name_of(what: &str) -> (&'static str, &'static str) {
    match what {
        "demo" => ("演示页　", "demo page"),
        "buyer" => ("买家页面", "buyer's page"),
        "console" => ("管理后台", "console"),
        "wechat" => ("微信登录", "by WeChat"),
        _ => ("大屏　　", "big screen"),
    }
}

/// The one line at the end.
pub(super) fn verdict(verdict: &Value) {
    let part = |name: &str| verdict[name].as_str().unwrap_or_default().to_owned();
    say(&format!("\n{} | {}\n", part("line_zh"), part("line_en")));
}

pub(super) fn say(text: &str) {
    // A terminal that is gone does not stop a demo.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation that turned it red: a start that has passed clamped to "0 s".
    #[test]
    fn a_start_that_has_passed_is_not_announced_for_later() {
        for (starts_in_ms, zh, en) in [
            (20_000, "20 秒后开盘", "opens in 20 s"),
            (1, "1 秒后开盘", "opens in 1 s"),
            (0, "已开盘", "open"),
            (-61_000, "已开盘", "open"),
        ] {
            assert_eq!(when(starts_in_ms), (zh.to_owned(), en.to_owned()));
        }
    }

    #[test]
    fn a_qr_code_is_square_and_has_its_finder_patterns_and_quiet_zone() {
        let rows = qr("http://192.168.1.7:8080/o/01ARZ3NDEKTSV4RRFFQ69G5FAV").unwrap();
        assert!(rows.iter().all(|row| row.len() == rows.len()));
        assert!(rows[0].starts_with("11111110") && rows[0].ends_with("01111111"));
        let lines = qr_lines(&rows);
        assert_eq!(lines.lines().count(), (rows.len() + 4).div_ceil(2));
        let first: String = lines.lines().next().unwrap().chars().filter(|c| "▀▄█".contains(*c)).collect();
        assert_eq!(first, "", "the quiet zone");
    }
}
