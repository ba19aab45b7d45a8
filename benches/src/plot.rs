//! A plot as SVG: a few series over one axis, each scaled to its own largest value, every point with its figure. Enough to
//! see whether a cost is constant.

use std::fmt::Write;

use crate::stats::number;

pub struct Series {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 48.0;
const COLOURS: [&str; 4] = ["#1f6feb", "#d1242f", "#1a7f37", "#8250df"];
const GREY: &str = "#57606a";

fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::MIN_POSITIVE, f64::max)
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, words: &str) {
    // Writing to a String does not fail, here and below.
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>"
    );
}

/// The plot; both axes begin at zero.
pub fn plot(axis: &str, all: &[Series]) -> String {
    let x_most = most(all.iter().flat_map(|series| &series.points).map(|point| point.0));
    let x = |value: f64| MARGIN + value / x_most * (WIDTH - 2.0 * MARGIN);
    let base = HEIGHT - MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <path d=\"M{MARGIN} {MARGIN}V{base}H{}\" fill=\"none\" stroke=\"{GREY}\"/>\n",
        WIDTH - MARGIN
    );
    for (at, Series { name, points }) in all.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let y_most = most(points.iter().map(|point| point.1));
        let y = |value: f64| base - value / y_most * (base - MARGIN) * 0.9;
        let line: Vec<String> =
            points.iter().map(|(px, py)| format!("{:.1},{:.1}", x(*px), y(*py))).collect();
        let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>", line.join(" "));
        for (px, py) in points {
            let (cx, cy) = (x(*px), y(*py));
            let _ = writeln!(svg, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{colour}\"/>");
            text(&mut svg, (cx, cy - 8.0), "middle", colour, &number(*py));
        }
        text(&mut svg, (MARGIN, 16.0 * (at + 1) as f64), "start", colour, name);
    }
    for (px, _) in all.first().map_or(&[][..], |series| &series.points) {
        text(&mut svg, (x(*px), base + 16.0), "middle", GREY, &number(*px));
    }
    text(&mut svg, (WIDTH - MARGIN, HEIGHT - 12.0), "end", GREY, axis);
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_drawn_inside_the_frame_with_its_value() {
        let points = vec![(1_000.0, 4.0), (19_000.0, 2.0)];
        let svg = plot("connections", &[Series { name: "memory", points }]);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains(">4.00<") && svg.contains(">19,000<") && svg.contains(">memory<"), "{svg}");
        let places = svg.split("<circle cx=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        assert!(
            places.map(|cx| cx.parse::<f64>().unwrap()).all(|cx| (MARGIN..=WIDTH - MARGIN).contains(&cx))
        );
        assert!(!plot("nothing", &[]).contains("NaN"));
    }
}
