//! A dashboard with the data of a run, as one picture (SVG) that needs no Grafana: the same panels in the same places.

use std::fmt::Write as _;

use crate::{
    chart::{self, Frame, Line, Times, class_of, fitting, float, text},
    expression,
    figure::figure,
    model::{Colour, Dashboard, Kind, Panel},
    prometheus::{Prometheus, Series},
};

/// Pixels of the whole width, ...
const WIDTH: f64 = 1320.0;
/// ... of a unit of height, ...
const UNIT: f64 = 30.0;
/// ... and of a heading.
const HEADING: f64 = 30.0;
/// Points of a line, at most.
const POINTS: f64 = 120.0;
/// The most dots of a panel.
const DOTS: usize = 60;

/// Colours for light and dark pages, by what they mean.
const STYLE: &str = "\
svg{--ink:#1c2330;--soft:#5d6879;--edge:#dfe4ea;--paper:#fff;--ground:#f4f6f8;--good:#1a7f4b;--warning:#a86500;--bad:#c22f3d;--note:#2b6cb0;
--c0:#2b6cb0;--c1:#0f8b8d;--c2:#7b4fb5;--c3:#c27a0e;--c4:#c22f3d;--c5:#4d7c0f;--c6:#be4b8a;--c7:#5d6879}
@media(prefers-color-scheme:dark){svg{--ink:#e6eaf0;--soft:#9aa6b8;--edge:#2d3643;--paper:#1a212b;--ground:#12171e;--good:#4cc38a;--warning:#f0b04a;
--bad:#ff6b78;--note:#6cb0f5;--c0:#6cb0f5;--c1:#4fc9c9;--c2:#b794f4;--c3:#f0b04a;--c4:#ff6b78;--c5:#a3d65c;--c6:#f48fc0;--c7:#9aa6b8}}
text{font:11px system-ui,sans-serif;fill:var(--ink)}.soft{fill:var(--soft)}.title{font-weight:600;font-size:12px}
.heading{font-weight:600;font-size:15px}.name{font-weight:700;font-size:20px}.big{font-weight:600;font-size:17px}.on{fill:#fff}
.ground{fill:var(--ground)}.card{fill:var(--paper);stroke:var(--edge)}.grid{stroke:var(--edge)}.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.dot{fill:var(--c6);opacity:.75}.heat{fill:var(--c3)}.threshold{stroke-dasharray:6 4;stroke-width:1.2}
line.good{stroke:var(--good)}line.warning{stroke:var(--warning)}line.bad{stroke:var(--bad)}line.note{stroke:var(--note)}
rect.good{fill:#1a7f4b}rect.warning{fill:#a86500}rect.bad{fill:#c22f3d}rect.note{fill:#2b6cb0}
";

/// Draws `dashboard` with what `prometheus` has of the `length` seconds until `to`.
///
/// # Errors
/// A query that Prometheus refuses.
pub async fn draw(
    dashboard: &Dashboard,
    prometheus: &Prometheus,
    scrape: f64,
    to: f64,
    length: f64,
) -> anyhow::Result<String> {
    let asking = Asking {
        dashboard,
        prometheus,
        scrape,
        to,
        times: Times {
            length,
            step: (length / POINTS).ceil().max(scrape),
        },
    };
    let mut body = String::new();
    let mut y = 12.0;
    text(&mut body, 14.0, y + 18.0, "name", dashboard.title, "");
    text(&mut body, 14.0, y + 38.0, "soft", dashboard.description, "");
    y += 48.0;
    for row in &dashboard.rows {
        text(
            &mut body,
            14.0,
            y + 20.0,
            "heading",
            &asking.chosen(row.title),
            "",
        );
        y += HEADING;
        let (mut column, mut tallest) = (0, 0);
        for panel in &row.panels {
            if column + panel.width > 24 {
                y += f64::from(tallest) * UNIT;
                (column, tallest) = (0, 0);
            }
            let frame = Frame {
                x: 10.0 + f64::from(column) * (WIDTH - 20.0) / 24.0,
                y,
                width: f64::from(panel.width) * (WIDTH - 20.0) / 24.0 - 8.0,
                height: f64::from(panel.height) * UNIT - 8.0,
            };
            asking.panel(&mut body, panel, frame).await?;
            column += panel.width;
            tallest = tallest.max(panel.height);
        }
        y += f64::from(tallest) * UNIT;
    }
    y += 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y:.0}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}",
        dashboard.title
    );
    for number in 0..8 {
        write!(
            svg,
            ".c{number}{{stroke:var(--c{number})}}.fill{number}{{fill:var(--c{number})}}"
        )?;
    }
    svg += "</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n";
    Ok(svg + &body + "</svg>\n")
}

struct Asking<'a> {
    dashboard: &'a Dashboard,
    prometheus: &'a Prometheus,
    scrape: f64,
    /// Seconds since 1970.
    to: f64,
    times: Times,
}

impl Asking<'_> {
    /// With what shows most.
    fn chosen(&self, it: &str) -> String {
        let variables = self.dashboard.variables.iter();
        variables.fold(it.to_owned(), |it, variable| {
            it.replace(&format!("${}", variable.name), variable.drawn)
        })
    }

    async fn panel(&self, svg: &mut String, panel: &Panel, frame: Frame) -> anyhow::Result<()> {
        let Frame {
            x,
            y,
            width,
            height,
        } = frame;
        writeln!(
            svg,
            "<rect class=\"card\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"6\"/>"
        )?;
        text(
            svg,
            x + 10.0,
            y + 19.0,
            "title",
            &fitting(panel.title, width * 0.88),
            "",
        );
        let inner = Frame {
            x: x + 4.0,
            y: y + 34.0,
            width: width - 8.0,
            height: height - 40.0,
        };
        let (mut found, mut dots) = (Vec::new(), Vec::new());
        for query in &panel.queries {
            let (series, exemplars) = self.ask(&query.expr, query.exemplars).await?;
            let from = self.to - self.times.length;
            for it in series {
                let points = it.points.iter().map(|it| (it.0 - from, it.1));
                let line = Line {
                    name: named(query.legend, &it),
                    points: points.collect(),
                };
                found.push((line, it));
            }
            dots.extend(exemplars.into_iter().map(|it| (it.0 - from, it.1)));
        }
        found.retain(|it| !it.0.points.is_empty());
        if found.is_empty() {
            let says = panel.quiet.map_or("no data", |it| it.says);
            let middle = " text-anchor=\"middle\"";
            text(svg, x + width / 2.0, y + height / 2.0, "soft", says, middle);
            return Ok(());
        }
        let lines: Vec<_> = found.iter().map(|it| it.0.clone()).collect();
        // Few of many, and not those of one moment.
        let dots: Vec<_> = dots
            .iter()
            .step_by(dots.len() / DOTS + 1)
            .copied()
            .collect();
        match panel.kind {
            Kind::TimeSeries => chart::lines(svg, panel, &lines, &dots, inner, self.times),
            Kind::Heatmap => chart::heatmap(svg, &lines, inner, self.times),
            Kind::Stat => tiles(svg, panel, &lines, inner),
            Kind::Table => table(svg, panel, &found, inner),
        }
        Ok(())
    }

    async fn ask(
        &self,
        expr: &str,
        exemplars: bool,
    ) -> anyhow::Result<(Vec<Series>, Vec<(f64, f64)>)> {
        let rate_interval = (self.times.step + self.scrape).max(4.0 * self.scrape);
        let expr = self
            .chosen(expr)
            .replace("$__rate_interval", &format!("{rate_interval}s"));
        let from = self.to - self.times.length;
        let series = self
            .prometheus
            .range(&expr, from, self.to, self.times.step)
            .await?;
        let dots = if exemplars {
            self.prometheus.exemplars(&expr, from, self.to).await?
        } else {
            Vec::new()
        };
        Ok((series, dots))
    }
}

/// The name of a series, as the legend makes it of labels.
fn named(legend: &str, series: &Series) -> String {
    let labels = expression::labels_of(legend).into_iter();
    let name = labels.fold(legend.to_owned(), |name, label| {
        let value = series.labels.get(label).map_or("", String::as_str);
        name.replace(&format!("{{{{{label}}}}}"), value)
    });
    name.trim().to_owned()
}

/// What a value means: its word, if it has one, and its colour.
fn meaning(panel: &Panel, value: f64) -> (Option<&'static str>, Colour) {
    #[expect(clippy::cast_precision_loss, reason = "words are for small numbers")]
    let word = panel
        .words
        .iter()
        .find(|it| (it.0 as f64 - value).abs() < 1e-9);
    if let Some((_, word, colour)) = word {
        return (Some(word), *colour);
    }
    let above = panel.thresholds.iter().rev().find(|it| value >= it.from);
    (None, above.map_or(panel.base, |it| it.colour))
}

/// A coloured figure for each line.
fn tiles(svg: &mut String, panel: &Panel, lines: &[Line], frame: Frame) {
    let columns = lines
        .len()
        .min(if frame.width > 400.0 { 5 } else { 2 })
        .max(1);
    let rows = lines.len().div_ceil(columns);
    let (width, height) = (frame.width / float(columns), frame.height / float(rows));
    for (number, line) in lines.iter().enumerate() {
        let (x, y) = (float(number % columns), float(number / columns));
        let (x, y) = (frame.x + x * width + 3.0, frame.y + y * height + 2.0);
        let value = line.points.last().map_or(0.0, |it| it.1);
        let (word, colour) = meaning(panel, value);
        let (width, height) = (width - 6.0, height - 5.0);
        let _ = writeln!(
            svg,
            "<rect class=\"{}\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"4\"/>",
            class_of(colour)
        );
        let said = word.map_or_else(|| figure(panel.unit, value), str::to_owned);
        let middle = " text-anchor=\"middle\"";
        let (x, y) = (x + width / 2.0, y + height / 2.0);
        text(svg, x, y - 1.0, "big on", &said, middle);
        text(svg, x, y + 14.0, "on", &fitting(&line.name, width), middle);
    }
}

/// Labels as columns, the latest value last.
fn table(svg: &mut String, panel: &Panel, found: &[(Line, Series)], frame: Frame) {
    let (columns, value) = panel.columns;
    let width = (frame.width - 16.0) / float(columns.len() + 1);
    let x = |column: usize| frame.x + 8.0 + width * float(column);
    let right = frame.x + frame.width - 8.0;
    for (column, (_, heading)) in columns.iter().enumerate() {
        text(svg, x(column), frame.y + 8.0, "soft", heading, "");
    }
    text(
        svg,
        right,
        frame.y + 8.0,
        "soft",
        value,
        " text-anchor=\"end\"",
    );
    let mut y = frame.y + 26.0;
    for (line, series) in found {
        if y > frame.y + frame.height {
            break;
        }
        for (column, (label, _)) in columns.iter().enumerate() {
            let said = series.labels.get(*label).map_or("", String::as_str);
            text(svg, x(column), y, "", &fitting(said, width), "");
        }
        let last = line.points.last().map_or(0.0, |it| it.1);
        text(
            svg,
            right,
            y,
            "",
            &figure(panel.unit, last),
            " text-anchor=\"end\"",
        );
        y += 18.0;
    }
}
