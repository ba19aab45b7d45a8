//! Writes HTML and SVG so that nothing can stand in a page unescaped: tags and attribute names are literals of this
//! program, everything else passes through [`escaped`].

use crate::report::words::Text;

#[derive(Debug, Default)]
pub struct Markup {
    out: String,
}

impl Markup {
    /// `<tag …>` … `</tag>`.
    pub fn wrap(
        &mut self,
        tag: &'static str,
        attributes: &[(&'static str, &str)],
        inside: impl FnOnce(&mut Self),
    ) {
        self.open(tag, attributes);
        inside(self);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// An element with nothing in it but text.
    pub fn leaf(&mut self, tag: &'static str, attributes: &[(&'static str, &str)], text: &str) {
        self.wrap(tag, attributes, |inside| inside.text(text));
    }

    /// A tag that has no end, such as `meta` or `input`.
    pub fn open(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            escaped(&mut self.out, value);
            self.out.push('"');
        }
        self.out.push('>');
    }

    pub fn text(&mut self, text: &str) {
        escaped(&mut self.out, text);
    }

    /// The same in both languages; the page shows one of them.
    pub fn both(&mut self, zh: &str, en: &str) {
        self.leaf("span", &[("lang", "zh-CN")], zh);
        self.leaf("span", &[("lang", "en")], en);
    }

    pub fn words(&mut self, text: Text) {
        self.both(text.zh, text.en);
    }

    /// Part of this program as it is: the style sheet, the doctype.
    pub fn literal(&mut self, text: &'static str) {
        self.out.push_str(text);
    }

    pub fn finish(self) -> String {
        self.out
    }
}

fn escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Other control characters are no HTML, escaped or not.
            control if control.is_control() && !matches!(control, '\n' | '\t') => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutations: text not escaped, an attribute's quotes not escaped.
    #[test]
    fn nothing_from_outside_becomes_markup() {
        let mut markup = Markup::default();
        markup.leaf("p", &[("title", "\"><script>")], "<b>'&'</b>\u{1}");
        assert_eq!(
            markup.finish(),
            "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt;&#39;&amp;&#39;&lt;/b&gt;\u{fffd}</p>"
        );
    }
}
