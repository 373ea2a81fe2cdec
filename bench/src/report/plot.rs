//! The figures that compare, as bars: an SVG that needs nothing and fits a light and a dark page.

use std::fmt::Write;

use super::metrics;
use crate::peers::{FLOOR, OURS};
use crate::samples::Samples;
use crate::stats::{Short, Spread};

/// A plotted figure, and its better direction.
const PANELS: [(&str, &str); 6] = [
    ("large.rate", "more is better"),
    ("large.cpu", "less is better"),
    ("small16.rate", "more is better"),
    ("small16.cpu", "less is better"),
    ("paced.cpu", "less is better"),
    ("silent1000.resident", "less is better"),
];

const PANEL_WIDTH: f64 = 450.0;
const NAME_WIDTH: f64 = 90.0;
const BAR_WIDTH: f64 = 270.0;
const TITLE_HEIGHT: f64 = 44.0;
const ROW_HEIGHT: f64 = 22.0;

const STYLE: &str = "text { font: 13px system-ui, sans-serif; fill: #222 } .title { font-weight: 600 }
.note { fill: #777; font-size: 11px } .bar { fill: #9aa5b1 } .ours { fill: #2f7d4f } .floor { fill: #cbd2d9 }
.range { stroke: #222; stroke-width: 1 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .note { fill: #999 } .bar { fill: #5f6b7a }
.ours { fill: #4fb07a } .floor { fill: #3e4855 } .range { stroke: #ddd } }";

pub(super) fn draw(samples: &Samples, peers: &[&str]) -> String {
    let panel_height = TITLE_HEIGHT + ROW_HEIGHT * peers.len() as f64 + 14.0;
    let (width, height) = (
        2.0 * PANEL_WIDTH,
        panel_height * PANELS.len().div_ceil(2) as f64,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>{STYLE}</style>\n"
    );
    for (at, (metric, better)) in PANELS.iter().enumerate() {
        let (x, y) = (
            (at % 2) as f64 * PANEL_WIDTH,
            (at / 2) as f64 * panel_height,
        );
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        draw_panel(&mut svg, samples, peers, metric, better);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

fn draw_panel(svg: &mut String, samples: &Samples, peers: &[&str], key: &str, better: &str) {
    let metric = metrics::find(key);
    let spread = |peer: &&str| Spread::of(&samples.values(key, peer));
    let greatest = peers
        .iter()
        .filter_map(spread)
        .map(|spread| spread.high)
        .fold(f64::MIN_POSITIVE, f64::max);
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"4\" y=\"18\">{}, {}</text><text class=\"note\" x=\"4\" y=\"34\">{better}</text>",
        metric.title, metric.unit
    );
    for (row, peer) in peers.iter().enumerate() {
        let y = TITLE_HEIGHT + row as f64 * ROW_HEIGHT;
        let _ = writeln!(svg, "<text x=\"4\" y=\"{}\">{peer}</text>", y + 14.0);
        match spread(peer) {
            Some(spread) => draw_bar(svg, peer, spread, greatest, y),
            None => {
                let text_y = y + 14.0;
                let _ = writeln!(
                    svg,
                    "<text class=\"note\" x=\"{NAME_WIDTH}\" y=\"{text_y}\">not measured</text>"
                );
            }
        }
    }
}

fn draw_bar(svg: &mut String, peer: &str, spread: Spread, greatest: f64, y: f64) {
    let class = match peer {
        OURS => "ours",
        FLOOR => "floor",
        _ => "bar",
    };
    let x = |value: f64| NAME_WIDTH + value / greatest * BAR_WIDTH;
    let (width, middle) = (x(spread.median) - NAME_WIDTH, y + 9.0);
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{NAME_WIDTH}\" y=\"{}\" width=\"{width:.1}\" height=\"16\" rx=\"2\"/>\
         <line class=\"range\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>\
         <text x=\"{:.1}\" y=\"{}\">{}</text>",
        y + 1.0,
        x(spread.low),
        x(spread.high),
        x(spread.high) + 6.0,
        y + 14.0,
        Short(spread.median)
    );
}
