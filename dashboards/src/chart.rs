//! Draws what a panel shows as SVG, into a box of a given size.

use std::fmt::Write as _;

use crate::{
    figure::{ceiling, figure},
    model::{Colour, Panel, Threshold, Unit},
};

/// Room for the figures beside the vertical axis.
const LEFT: f64 = 62.0;
/// Room for the times below.
const BOTTOM: f64 = 18.0;
/// The height of a line of text.
const LINE: f64 = 14.0;
/// The most lines of a legend.
const LEGEND: usize = 5;
/// Colours of lines: classes of the picture's style.
const COLOURS: usize = 8;

/// What a query found, ready to be drawn.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// As the legend calls it.
    pub(crate) name: String,
    /// Seconds since the beginning, and values.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Where to draw, in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// From the beginning to the end, in seconds, and how far points are apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) length: f64,
    pub(crate) step: f64,
}

/// A text; `more` are attributes.
pub(crate) fn text(svg: &mut String, x: f64, y: f64, class: &str, it: &str, more: &str) {
    let it = it
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    put(
        svg,
        &format!("<text x=\"{x:.0}\" y=\"{y:.0}\" class=\"{class}\"{more}>{it}</text>"),
    );
}

/// Cut so that it fits into so many pixels.
pub(crate) fn fitting(it: &str, pixels: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of letters"
    )]
    let most = (pixels / 6.2).max(4.0) as usize;
    if it.chars().count() <= most {
        return it.to_owned();
    }
    let kept: String = it.chars().take(most - 1).collect();
    kept + "…"
}

fn put(svg: &mut String, line: &str) {
    writeln!(svg, "{line}").expect("a string takes everything");
}

pub(crate) fn class_of(it: Colour) -> &'static str {
    match it {
        Colour::Good => "good",
        Colour::Warning => "warning",
        Colour::Bad => "bad",
        Colour::Note => "note",
    }
}

/// The vertical axis.
struct Axis {
    low: f64,
    high: f64,
    frame: Frame,
}

impl Axis {
    fn y(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low);
        self.frame.y + self.frame.height * (1.0 - part.clamp(0.0, 1.0))
    }
}

/// Lines over time, with thresholds, exemplars as dots, and a legend with the latest values.
pub(crate) fn lines(
    svg: &mut String,
    panel: &Panel,
    lines: &[Line],
    dots: &[(f64, f64)],
    frame: Frame,
    times: Times,
) {
    let legend_lines = lines.len().min(LEGEND) + usize::from(lines.len() > LEGEND);
    let plot = Frame {
        x: frame.x + LEFT,
        width: frame.width - LEFT - 6.0,
        height: frame.height - BOTTOM - LINE * float(legend_lines),
        ..frame
    };
    let values = || lines.iter().flat_map(|it| &it.points).map(|it| it.1);
    let highest = values().fold(0.0, f64::max);
    let lowest = values().fold(0.0, f64::min);
    let axis = Axis {
        low: if panel.negative && lowest < 0.0 {
            -ceiling(-lowest)
        } else {
            0.0
        },
        high: panel.most.unwrap_or_else(|| high(panel, highest)),
        frame: plot,
    };
    grid(svg, panel.unit, &axis, times);
    for it in &panel.thresholds {
        threshold(svg, panel, it, &axis);
    }
    let x = |at: f64| plot.x + at / times.length * plot.width;
    let place = |it: &(f64, f64)| (x(it.0), axis.y(it.1));
    for (line, number) in lines.iter().zip((0..COLOURS).cycle()) {
        // A gap is a gap, and not a straight line.
        let whole = |a: &(f64, f64), b: &(f64, f64)| b.0 - a.0 < times.step * 1.5;
        for part in line.points.chunk_by(whole) {
            let points = part.iter().map(place);
            let points: Vec<_> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let points = points.join(" ");
            put(
                svg,
                &format!("<polyline class=\"line c{number}\" points=\"{points}\"/>"),
            );
        }
    }
    let seen = dots.iter().filter(|it| it.0 >= 0.0 && it.1 <= axis.high);
    for (x, y) in seen.map(place) {
        let dot = format!("<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>");
        put(svg, &dot);
    }
    let below = Frame {
        y: plot.y + plot.height + BOTTOM,
        ..frame
    };
    legend(svg, panel.unit, lines, below);
}

/// The names of lines with their latest values.
fn legend(svg: &mut String, unit: Unit, lines: &[Line], frame: Frame) {
    let mut y = frame.y + LINE - 3.0;
    for (line, number) in lines.iter().take(LEGEND).zip(0..) {
        let (x, y_key) = (frame.x + 6.0, y - 5.0);
        let key = format!(
            "<rect class=\"fill{number}\" x=\"{x:.0}\" y=\"{y_key:.0}\" width=\"12\" height=\"3\"/>"
        );
        put(svg, &key);
        let name = fitting(&line.name, frame.width - 110.0);
        text(svg, frame.x + 24.0, y, "soft", &name, "");
        let last = line.points.last().map_or(0.0, |it| it.1);
        let (right, end) = (frame.x + frame.width - 8.0, " text-anchor=\"end\"");
        text(svg, right, y, "soft", &figure(unit, last), end);
        y += LINE;
    }
    if lines.len() > LEGEND {
        let more = format!("and {} more", lines.len() - LEGEND);
        text(svg, frame.x + 24.0, y, "soft", &more, "");
    }
}

/// A round top of the axis, with the next threshold in it if that is near.
fn high(panel: &Panel, highest: f64) -> f64 {
    let near = panel.thresholds.iter().map(|it| it.from);
    let near = near.filter(|it| *it <= highest * 3.0).fold(0.0, f64::max);
    match ceiling(highest.max(near * 1.1)) {
        it if highest == 0.0 && near == 0.0 && it < 1e-6 => 1.0,
        it => it,
    }
}

fn grid(svg: &mut String, unit: Unit, axis: &Axis, times: Times) {
    let plot = axis.frame;
    for part in [0.0, 0.5, 1.0] {
        let value = axis.low + (axis.high - axis.low) * part;
        let y = axis.y(value);
        put(
            svg,
            &format!(
                "<line class=\"grid\" x1=\"{:.0}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                plot.x,
                plot.x + plot.width
            ),
        );
        text(
            svg,
            plot.x - 5.0,
            y + 4.0,
            "soft",
            &figure(unit, value),
            " text-anchor=\"end\"",
        );
    }
    ticks(svg, plot, times);
}

fn ticks(svg: &mut String, plot: Frame, times: Times) {
    for (part, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let at = format!("{:.0} s", times.length * part);
        let anchor = format!(" text-anchor=\"{anchor}\"");
        text(
            svg,
            plot.x + plot.width * part,
            plot.y + plot.height + 14.0,
            "soft",
            &at,
            &anchor,
        );
    }
}

fn threshold(svg: &mut String, panel: &Panel, it: &Threshold, axis: &Axis) {
    if it.from > axis.high {
        return;
    }
    // Where high is good, the line is where bad begins.
    let colour = match it.colour {
        Colour::Good => panel.base,
        other => other,
    };
    let y = axis.y(it.from);
    put(
        svg,
        &format!(
            "<line class=\"threshold {}\" x1=\"{:.0}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            class_of(colour),
            axis.frame.x,
            axis.frame.x + axis.frame.width
        ),
    );
}

/// A histogram over time: a row for each bucket, the darker the more is in it. Names of lines are upper bounds.
pub(crate) fn heatmap(svg: &mut String, lines: &[Line], frame: Frame, times: Times) {
    let mut buckets: Vec<_> = lines
        .iter()
        .map(|it| (it.name.parse().unwrap_or(f64::INFINITY), &it.points))
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let plot = Frame {
        x: frame.x + LEFT,
        width: frame.width - LEFT - 6.0,
        height: frame.height - BOTTOM - LINE,
        ..frame
    };
    ticks(svg, plot, times);
    let mut cells = Vec::new();
    for row in 0..buckets.len() {
        for (at, upto) in buckets[row].1 {
            let below = row.checked_sub(1).and_then(|it| {
                let points = buckets[it].1.iter();
                points
                    .clone()
                    .find(|it| (it.0 - at).abs() < 1e-6)
                    .map(|it| it.1)
            });
            // Buckets count all below their bound.
            cells.push((row, *at, (upto - below.unwrap_or(0.0)).max(0.0)));
        }
    }
    let most = cells.iter().map(|it| it.2).fold(1e-9, f64::max);
    let height = plot.height / float(buckets.len().max(1));
    let width = (times.step / times.length * plot.width).max(1.0);
    let y = |row: usize| plot.y + plot.height - height * float(row + 1);
    for (row, at, count) in cells.into_iter().filter(|it| it.2 > 0.0) {
        let x = plot.x + at / times.length * plot.width - width;
        let shade = (count / most).sqrt();
        put(
            svg,
            &format!(
                "<rect class=\"heat\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" opacity=\"{shade:.2}\"/>",
                x.max(plot.x),
                y(row)
            ),
        );
    }
    for (row, (bound, _)) in buckets.iter().enumerate().step_by(2) {
        let bound = if bound.is_finite() {
            figure(Unit::Seconds, *bound)
        } else {
            "∞".to_owned()
        };
        text(
            svg,
            plot.x - 5.0,
            y(row) + 4.0,
            "soft",
            &bound,
            " text-anchor=\"end\"",
        );
    }
}

/// Sizes in pixels are small numbers.
pub(crate) fn float(it: usize) -> f64 {
    f64::from(u32::try_from(it).unwrap_or(u32::MAX))
}
