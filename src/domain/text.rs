//! Text as people type it in China: full-width digits and letters, ideographic spaces, invisible marks from web
//! pages. Folding it once, here, is what lets every later comparison be a plain one. Knows nothing of columns or rows.

/// Full-width ASCII (`０`, `Ａ`, `（`, `：`) to its half-width twin, every space to `' '`; other characters unchanged.
pub fn fold_char(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '\u{3000}' | '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' => ' ',
        c if c.is_whitespace() => ' ',
        _ => c,
    }
}

/// Characters that print nothing and would make two equal-looking values differ.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Folded, without invisible characters, runs of spaces made one, trimmed.
pub fn clean(text: &str) -> String {
    // Most cells are plain codes and numbers.
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)).map(fold_char) {
        if c != ' ' || !(out.is_empty() || out.ends_with(' ')) {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Is there nothing that a reader would see?
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c) || fold_char(c) == ' ')
}

/// [`clean`] without any space at all: for codes and labels, where a space never carries meaning.
pub fn compact(text: &str) -> String {
    text.chars().filter(|c| !is_invisible(*c)).map(fold_char).filter(|c| *c != ' ').collect()
}

/// At most `chars_max` characters, with an ellipsis where something was cut.
pub fn shorten(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}

/// Would a spreadsheet take this text for a formula? A plain number may begin with a sign.
pub fn looks_like_formula(text: &str) -> bool {
    let mut chars = text.trim_start().chars();
    match chars.next().map(fold_char) {
        Some('=' | '@') => true,
        Some('+' | '-') => {
            let rest = chars.as_str();
            !rest.is_empty() && !rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
        }
        _ => false,
    }
}

/// `张三` → `张*`, `欧阳娜娜` → `欧**`: the family name's first character; the number of stars says little.
pub fn mask_name(name: &str) -> String {
    let mut chars = name.chars();
    match chars.next() {
        None => String::new(),
        Some(first) => format!("{first}{}", "*".repeat(chars.count().clamp(1, 2))),
    }
}

/// RFC 3986: everything but letters, digits and `-_.~`, byte by byte. A form reads it as well.
pub fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_what_people_type() {
        assert_eq!(clean("　１９９　００Ａ（㎡）\u{200B} \n x "), "199 00A(㎡) x");
        assert_eq!(compact(" 总 价\n（元） "), "总价(元)");
        assert_eq!(clean(" \u{3000}\t"), "");
        assert!(is_blank(" \u{3000}\t\u{200B}") && !is_blank(" \u{3000}x"));
    }

    /// Mutation that turned it red: every sign taken for a formula, so that `+86…` warned.
    #[test]
    fn formulas_are_told_from_signed_numbers() {
        for text in ["=1+1", "＝A1", "@SUM", "+cmd|' /C calc'!A0", "-2+3", "  =x"] {
            assert!(looks_like_formula(text), "{text}");
        }
        for text in ["-1", "+86", "-1,200.50", "张三", "", "-"] {
            assert!(!looks_like_formula(text), "{text}");
        }
    }

    #[test]
    fn masks_and_shortens() {
        assert_eq!(mask_name("张三"), "张*");
        assert_eq!(mask_name("欧阳娜娜"), "欧**");
        assert_eq!(mask_name("王"), "王*");
        assert_eq!(mask_name(""), "");
        assert_eq!(shorten("一二三四", 3), "一二三…");
        assert_eq!(shorten("一二三", 3), "一二三");
    }
}
