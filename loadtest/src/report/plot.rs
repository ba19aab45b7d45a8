//! The plots of a report as SVG: 400 by 240 units, so that a phone's width shows the figures at a readable size. Hovering
//! is the browser's own: each mark has a `title`.

use super::html::markup::Markup;
use scale::{Scale, even_ticks};

pub mod percentiles;
pub mod scale;
pub mod time;

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 388.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 212.0;

/// A named value on an axis, at its place in the drawing.
struct Tick {
    at: f64,
    name: String,
}

/// The frame of a plot: grid lines with their names, and T where it lies in the range.
fn frame(svg: &mut Markup, across: &[Tick], up: &[Tick]) {
    for tick in up {
        line(svg, "grid", (LEFT, tick.at), (RIGHT, tick.at));
        label(svg, "end", (LEFT - 6.0, tick.at + 4.0), &tick.name);
    }
    for tick in across {
        line(svg, "tick", (tick.at, BOTTOM), (tick.at, BOTTOM + 4.0));
        // The outermost names would otherwise be cut off.
        let anchor = if tick.at > RIGHT - 12.0 { "end" } else { "middle" };
        label(svg, anchor, (tick.at, BOTTOM + 18.0), &tick.name);
    }
    line(svg, "axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
}

/// An upright axis from 0 to at least `most`.
fn upright(most: f64) -> (Scale, Vec<Tick>) {
    let ticks = even_ticks(most);
    let scale = Scale { from: (0.0, ticks.last().copied().unwrap_or(1.0)), to: (BOTTOM, TOP) };
    let named = ticks.into_iter().map(|value| Tick { at: scale.at(value), name: short(value) }).collect();
    (scale, named)
}

fn line(svg: &mut Markup, class: &str, from: (f64, f64), to: (f64, f64)) {
    let (x1, y1, x2, y2) = (unit(from.0), unit(from.1), unit(to.0), unit(to.1));
    svg.leaf("line", &[("class", class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)], "");
}

fn label(svg: &mut Markup, anchor: &str, at: (f64, f64), text: &str) {
    svg.leaf("text", &[("x", &unit(at.0)), ("y", &unit(at.1)), ("text-anchor", anchor)], text);
}

/// A line through points, and over each a place to hover with its `title`. A point alone is a dot.
fn path(svg: &mut Markup, class: &str, points: &[(f64, f64, String)]) {
    let mut d = String::new();
    for (n, (x, y, _)) in points.iter().enumerate() {
        d.push_str(if n == 0 { "M" } else { "L" });
        d.push_str(&format!("{} {}", unit(*x), unit(*y)));
    }
    if let [(x, y, _)] = points {
        // Drawn by its round end.
        d.push_str(&format!("L{} {}", unit(*x), unit(*y)));
    }
    svg.leaf("path", &[("class", class), ("d", &d)], "");
    for (x, y, title) in points {
        svg.wrap(
            "circle",
            &[("class", "hover"), ("cx", &unit(*x)), ("cy", &unit(*y)), ("r", "5")],
            |circle| {
                circle.leaf("title", &[], title);
            },
        );
    }
}

fn rect(svg: &mut Markup, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), title: &str) {
    let (x, y, width, height) = (unit(x), unit(y), unit(width), unit(height));
    let attributes = [("class", class), ("x", &*x), ("y", &y), ("width", &width), ("height", &height)];
    svg.wrap("rect", &attributes, |rect| rect.leaf("title", &[], title));
}

/// A drawing with its description for those who do not see it.
fn drawing(out: &mut Markup, described: &str, inside: impl FnOnce(&mut Markup)) {
    let view = format!("0 0 {WIDTH} {HEIGHT}");
    out.wrap("svg", &[("viewBox", &view), ("role", "img"), ("aria-label", described)], inside);
}

/// A tenth of a unit is finer than any screen shows.
fn unit(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A value on an axis: 1500 as 1.5k, without zeros that say nothing.
fn short(value: f64) -> String {
    let (value, suffix) = match value {
        millions if millions >= 1e6 => (millions / 1e6, "M"),
        thousands if thousands >= 1e4 => (thousands / 1e3, "k"),
        few => (few, ""),
    };
    let text = format!("{value:.3}");
    format!("{}{suffix}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_axes_are_short() {
        for (value, name) in
            [(0.0, "0"), (0.25, "0.25"), (5.0, "5"), (1_500.0, "1500"), (20_000.0, "20k"), (2.5e6, "2.5M")]
        {
            assert_eq!(short(value), name);
        }
    }
}
