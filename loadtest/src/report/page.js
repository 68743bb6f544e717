"use strict";
// Draws the report from the data in the page. Texts go in as text nodes only, so nothing in the data can become markup.

const run = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const SERVICE_COLOURS = ["var(--blue)", "var(--teal)", "var(--violet)", "var(--warn)", "var(--pass)", "var(--fail)", "var(--soft)"];

/** An element with attributes and children; strings become text. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const stamp = (outcome) => h("span", { class: `stamp ${outcome}` }, outcome);
const count = (n) => n.toLocaleString("en-US");
const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const estimate = (it) => (it ? `${ms(it.value)}  (${ms(it.low)} to ${ms(it.high)})` : "too few samples");

function table(columns, rows) {
  const cell = (tag, text, column) => h(tag, column.numeric ? { class: "n" } : {}, text);
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, columns.map((column) => cell("th", column.title, column)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column) => cell("td", column.of(row), column)))))));
}

/** A round number not below `value`. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

/** A line chart over seconds. `lines`: [{name, colour, points: [[second, value]]}]; a value is of a whole second, or of the moment where
 *  the line is `exact`, and holds until the next where it has `steps`; it may be `dashed`. `marks`: [{at, what}], what was done when. */
function chart(title, unit, lines, phases, marks) {
  const [width, height, left, bottom, top] = [520, 200, 40, 22, 24];
  const end = phases.at(-1).to;
  const most = ceiling(Math.max(1, ...lines.flatMap((line) => line.points.map((point) => point[1]))));
  const x = (second) => left + (second / end) * (width - left - 6);
  const y = (value) => height - bottom - (value / most) * (height - bottom - top);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  picture.append(svg("text", { x: 0, y: 12, class: "label" }, `${title}, ${unit}`));
  phases.forEach((phase, index) => {
    if (index % 2 === 0) {
      const band = { x: x(phase.from), y: top, width: x(phase.to) - x(phase.from), height: height - bottom - top, class: "band" };
      picture.append(svg("rect", band));
    }
    picture.append(svg("text", { x: x(phase.from) + 3, y: top + 11 }, phase.name));
  });
  for (const mark of marks) {
    const line = svg("line", { x1: x(mark.at), x2: x(mark.at), y1: top, y2: height - bottom, class: "mark" });
    const place = { class: "mark", transform: `translate(${x(mark.at) + 3} ${top + 18}) rotate(90)` };
    picture.append(line, svg("text", place, mark.what));
    line.append(svg("title", {}, `${mark.at.toFixed(1)} s: ${mark.what}`));
  }
  for (const part of [0, 0.5, 1]) {
    const value = most * part;
    picture.append(svg("line", { x1: left, x2: width - 6, y1: y(value), y2: y(value), class: "grid" }));
    picture.append(svg("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, String(+value.toPrecision(3))));
  }
  for (const second of [0, end / 2, end]) {
    picture.append(svg("text", { x: x(second), y: height - 5, "text-anchor": "middle" }, `${+second.toFixed(1)} s`));
  }
  for (const line of lines) {
    const held = line.steps ? line.points.flatMap((point, index) => index ? [[point[0], line.points[index - 1][1]], point] : [point]) : line.points;
    const middle = line.steps || line.exact ? 0 : 0.5;
    const points = held.map(([second, value]) => `${x(second + middle).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    const dashes = line.dashed ? { "stroke-dasharray": "5 4" } : {};
    picture.append(svg("polyline", { points, fill: "none", style: `stroke:${line.colour}`, "stroke-width": 1.8, "stroke-linejoin": "round", ...dashes }));
  }
  const legend = lines.map((line) => h("span", {}, h("i", { style: `background:${line.colour}` }), line.name));
  return h("div", {}, picture, h("div", { class: "legend" }, legend));
}

/** Sums of one field, by second, over all routes. */
function perSecond(seconds, field) {
  const sums = new Map();
  for (const it of seconds) sums.set(it.at, (sums.get(it.at) ?? 0) + it[field]);
  return [...sums].sort((a, b) => a[0] - b[0]);
}

function charts(details) {
  const { seconds, phases, happened } = details;
  // The last second may hold requests that were due after the last full one.
  const whole = seconds.filter((it) => it.at < phases.at(-1).to);
  const routes = [...new Set(whole.map((it) => it.route))];
  const of = (route, field) => whole.filter((it) => it.route === route).map((it) => [it.at, it[field]]);
  const lines = [["p50", "p50_ms", "var(--teal)"], ["p95", "p95_ms", "var(--blue)"], ["p99", "p99_ms", "var(--violet)"]];
  const replicas = (details.replicas ?? []).flatMap((it) => {
    const wanted = { name: "desired", colour: "var(--violet)", points: it.desired, steps: true, dashed: true };
    const ready = { name: "taking requests", colour: "var(--teal)", points: it.ready, steps: true };
    const flight = { name: "mean of all replicas", colour: "var(--blue)", points: it.in_flight, exact: true };
    return [
      chart(`Replicas of ${it.service}`, "count", it.desired.length ? [ready, wanted] : [ready], phases, happened),
      ...(it.in_flight.length ? [chart("Requests in flight at a replica", "count", [flight], phases, happened)] : []),
    ];
  });
  return h("div", { class: "charts" },
    replicas,
    chart("Requests", "per second", [{ name: "all routes", colour: "var(--blue)", points: perSecond(whole, "requests") }], phases, happened),
    chart("Errors", "per second", [{ name: "all routes", colour: "var(--fail)", points: perSecond(whole, "errors") }], phases, happened),
    routes.map((route) => chart(route, "ms", lines.map(([name, field, colour]) => ({ name, colour, points: of(route, field) })), phases, happened)));
}

/** A gRPC method without its package, which would leave no room for the method; the whole name is in the tooltip. */
const short = (name) => name.replace(/^([a-z0-9_]+\.)+(?=[A-Z])/, "");

function waterfall(trace) {
  const end = Math.max(...trace.spans.map((it) => it.start_ms + it.duration_ms), 0.001);
  const services = [...new Set(trace.spans.map((it) => it.service))];
  const bars = trace.spans.map((span) => {
    const colour = span.failed ? "var(--fail)" : SERVICE_COLOURS[services.indexOf(span.service) % SERVICE_COLOURS.length];
    const place = `left:${(100 * span.start_ms) / end}%;width:${(100 * span.duration_ms) / end}%;background:${colour}`;
    const told = Object.entries(span.attributes).map(([name, value]) => `${name}: ${value}`).join("\n");
    return h("div", { class: "bar", title: told },
      h("div", { class: "name", style: `padding-left:${span.depth * 14}px` }, h("b", {}, span.service), ` ${short(span.name)} `, h("span", { class: "tag" }, span.kind)),
      h("div", { class: "track" }, h("div", { class: "span", style: place })),
      h("div", { class: "n" }, `${span.duration_ms.toFixed(2)} ms`));
  });
  const late = trace.lag_ms >= 0.1 ? `, sent ${ms(trace.lag_ms)} late` : "";
  return h("details", {},
    h("summary", {}, h("span", { class: "n" }, ms(trace.latency_ms)), `${trace.route} `, h("span", { class: "tag" }, trace.ending), h("span", { class: "soft" }, ` request ${trace.request_id}${late}`)),
    bars.length ? bars : h("p", { class: "soft" }, "No span of this request was received."),
    h("p", { class: "soft mono" }, trace.trace_id ? `trace ${trace.trace_id}` : ""));
}

/** The checks that an arm claims will fail. */
const mustFail = (arm) => arm.claim?.must_fail ?? [];

function check(it, failing) {
  const wanted = failing.includes(it.name);
  const asClaimed = wanted ? it.outcome === "FAIL" : it.outcome === "PASS";
  const why = asClaimed || !it.counts ? [] : it.details ?? [];
  return h("tr", {},
    h("td", {}, it.counts || wanted ? stamp(it.outcome) : h("span", { class: "tag" }, "shown")),
    h("td", { class: "soft" }, it.group),
    h("td", {}, it.name, wanted ? h("span", { class: "soft" }, asClaimed ? " (as it must)" : " (must fail)") : null),
    h("td", {}, it.observed, why.length ? h("ul", { class: "why" }, why.map((text) => h("li", {}, text))) : null),
    h("td", { class: "soft" }, it.expected));
}

const checks = (all, failing) => h("div", { class: "scroll" }, h("table", {},
  h("thead", {}, h("tr", {}, ["", "about", "check", "seen", "expected"].map((title) => h("th", {}, title)))),
  h("tbody", {}, all.map((one) => check(one, failing)))));

/** What does not come out as its arm claims. */
const unwanted = (all, failing) => all.filter((it) => failing.includes(it.name) ? it.outcome !== "FAIL" : it.counts && it.outcome !== "PASS");

function cell(it) {
  if ("count" in it) return count(it.count);
  if ("seconds" in it) return it.seconds === null ? "\u2013" : `${it.seconds.toFixed(2)} s`;
  return it.text;
}

const isText = (rows, index) => rows.every((row) => "text" in row[index]);

const extra = (it) => [
  h("h4", {}, it.title),
  table(it.columns.map((title, index) => ({ title, numeric: !isText(it.rows, index), of: (row) => cell(row[index]) })), it.rows),
];

const folded = (title, open, ...children) => h("details", open ? { class: "fold", open: "" } : { class: "fold" }, h("summary", {}, title), ...children);

const looks = (it) => it.looks > 1 ? `${it.looks} looks` : "1 look";
const anchor = (experiment, it) => `${experiment.name}.${it.name}`;

function arm(experiment, it) {
  const failing = mustFail(it);
  const wrong = unwanted(it.checks, failing);
  const load = it.load;
  return h("section", { class: "card", id: anchor(experiment, it) },
    h("div", { class: "title" }, stamp(it.outcome), h("h3", {}, it.name), h("span", {}, it.description),
      failing.length ? h("span", { class: "tag" }, `must fail: ${failing.join(", ")}`) : null,
      it.looks > 1 ? h("span", { class: "tag" }, `${looks(it)}, the last at ${(100 * it.confidence).toFixed(1)} %`) : null),
    it.observed ? h("p", { class: "soft" }, h("a", { href: it.observed.link }, "This time in Prometheus"),
      ` (${it.observed.from} to ${it.observed.until}), while it runs; afterwards start it again: `, h("code", {}, it.observed.again)) : null,
    wrong.length ? checks(wrong, failing) : null,
    folded(`Evidence: ${it.checks.length} checks`, false, checks(it.checks, failing)),
    (it.tables ?? []).flatMap(extra),
    h("h4", {}, "What the clients saw"),
    it.details && it.details.seconds.length ? charts(it.details) : null,
    h("p", { class: "soft" }, "Latency counts from the intended start of each request. Intervals are of 95 %."),
    table([
      { title: "route", of: (row) => row.route },
      { title: "requests", numeric: true, of: (row) => count(row.requests) },
      { title: "errors", numeric: true, of: (row) => count(row.errors) },
      { title: "p50", of: (row) => estimate(row.p50_ms) },
      { title: "p95", of: (row) => estimate(row.p95_ms) },
      { title: "p99", of: (row) => estimate(row.p99_ms) },
      { title: "slowest", numeric: true, of: (row) => ms(row.max_ms) },
    ], it.routes),
    folded("Calls between services, counted on both sides", false, table([
      { title: "caller", of: (row) => row.caller },
      { title: "callee", of: (row) => row.callee },
      { title: "operation", of: (row) => h("code", {}, row.operation) },
      { title: "status", of: (row) => row.status },
      { title: "caller counted", numeric: true, of: (row) => count(row.caller_count) },
      { title: "callee counted", numeric: true, of: (row) => count(row.callee_count) },
    ], it.edges)),
    folded("Slowest requests, at least one of each route", false, (it.details?.traces ?? []).map(waterfall)),
    folded("Processes and load", false, table([
      { title: "service", of: (row) => row.service },
      { title: "replicas", numeric: true, of: (row) => row.replicas },
      { title: "CPU", numeric: true, of: (row) => `${row.cpu_s.toFixed(1)} s` },
      { title: "peak memory", numeric: true, of: (row) => `${row.peak_memory_mb.toFixed(1)} MB` },
    ], it.resources),
    h("p", { class: "soft" }, `${count(load.attempts)} attempts by ${load.users} goose users; send lag p50 ${ms(load.lag_p50_ms)}, p99 ${ms(load.lag_p99_ms)}, at most ${ms(load.lag_max_ms)}.`)));
}

/** The ratios of one figure, a dot for each pair of slices, below the interval of all together. */
function ratios(it) {
  const [width, height, half] = [260, 22, 120];
  const differs = (a, b) => it.measure === "errors" ? (b - a) / 2 : Math.log(b / a) / Math.log(1.5);
  const x = (value) => width / 2 + half * Math.max(-1, Math.min(1, value));
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${it.name}, B against A`, style: `width:${width}px` });
  picture.append(svg("line", { x1: width / 2, x2: width / 2, y1: 0, y2: height, class: "grid" }));
  const place = (value) => it.measure === "errors" ? x(value / 2) : x(Math.log(value) / Math.log(1.5));
  if (it.difference) {
    const line = { x1: place(it.difference.low), x2: place(it.difference.high), y1: 5, y2: 5, style: "stroke:var(--blue)", "stroke-width": 3 };
    picture.append(svg("line", line), svg("circle", { cx: place(it.difference.value), cy: 5, r: 4, style: "fill:var(--blue)" }));
  }
  it.a.forEach((a, pair) => picture.append(svg("circle", { cx: x(differs(a, it.b[pair])), cy: 16, r: 2.5, style: "fill:var(--soft)", opacity: 0.7 })));
  return picture;
}

const UNITS = { latency: "ms", cpu: "ms", goodput: "/s", throughput: "/s", errors: "%" };
const middle = (values) => { const sorted = [...values].sort((a, b) => a - b); return sorted[Math.floor(sorted.length / 2)]; };

function comparison(it, all) {
  const outcome = (figure) => figure.counts ? stamp(all.find((one) => one.name === figure.name)?.outcome ?? figure.outcome) : h("span", { class: "tag" }, "shown");
  const typical = (figure, values) => values.length ? `${middle(values).toFixed(2)} ${UNITS[figure.measure]}` : "\u2013";
  const seen = (figure) => figure.visible === null ? "\u2013" : figure.measure === "errors" ? `${figure.visible.toFixed(2)} points` : `${(100 * figure.visible).toFixed(1)} %`;
  const slices = (figure) => [["A", figure.a], ["B", figure.b]].map(([name, values]) => h("p", { class: "soft mono" }, `${name} ${values.map((value) => value.toFixed(2)).join(" ")}`));
  return h("section", { class: "card" },
    h("p", {}, h("b", {}, "A "), h("code", {}, it.a)), h("p", {}, h("b", {}, "B "), h("code", {}, it.b)),
    h("p", { class: "soft" }, `${it.pairs} pairs of slices of ${it.slice_s} s by turns, ${it.rate === null ? "as many requests as are answered" : `${it.rate} arrivals a second, the same in both slices of a pair`}. B may be worse by ${(100 * it.tolerance).toFixed(1)} %. What is said holds with 95 % for all figures together.`),
    table([
      { title: "", of: outcome },
      { title: "median of slices", of: (figure) => figure.name },
      { title: "A", numeric: true, of: (figure) => typical(figure, figure.a) },
      { title: "B", numeric: true, of: (figure) => typical(figure, figure.b) },
      { title: "B to A: \u2212\u2153 to +\u00bd, errors \u00b12 points", of: ratios },
      { title: "could see", numeric: true, of: seen },
      { title: "said", of: (figure) => figure.said },
    ], it.figures),
    folded("Every slice", false, it.figures.map((figure) => [h("h4", {}, `${figure.name}, ${UNITS[figure.measure]}`), slices(figure)]).flat(2)),
    folded("Validity", all.some((one) => one.group !== "comparison" && one.outcome !== "PASS"), checks(all.filter((one) => one.group !== "comparison"), [])));
}

/** Every experiment and arm in one table. */
function overview() {
  const row = (experiment, it, index) => h("tr", {},
    h("td", {}, index === 0 ? h("b", {}, experiment.name) : ""),
    h("td", {}, h("a", { href: `#${anchor(experiment, it)}` }, it.name)),
    h("td", {}, stamp(it.outcome)),
    h("td", {}, unwanted(it.checks, mustFail(it)).map((one) => one.name).join(", ") || "as claimed"),
    h("td", { class: "n" }, count(it.checks.filter((one) => one.counts).length)),
    h("td", { class: "n" }, count(it.load.attempts)),
    h("td", { class: "n" }, looks(it)),
    h("td", { class: "n" }, index === 0 ? `${experiment.duration_s.toFixed(0)} s` : ""));
  const titles = ["experiment", "arm", "verdict", "what is not as claimed", "checks", "requests", "looks", "took"];
  const numeric = (title) => ["checks", "requests", "looks", "took"].includes(title) ? { class: "n" } : {};
  return h("section", { class: "card" }, h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, titles.map((title) => h("th", numeric(title), title)))),
    h("tbody", {}, run.experiments.flatMap((experiment) => experiment.arms.map((it, index) => row(experiment, it, index)))))));
}

document.getElementById("page").replaceChildren(
  h("header", {}, stamp(run.outcome), h("div", {},
    h("h1", {}, "Windtunnel"),
    h("p", { class: "soft" }, `${run.started.replace("T", " ").slice(0, 19)} UTC, ${run.duration_s.toFixed(0)} s, on ${run.backends}, seed ${run.seed}, ${run.machine.profile} build, ${run.machine.cores} cores, ${run.machine.os} ${run.machine.architecture}`))),
  run.experiments.some((experiment) => experiment.arms.length) ? overview() : "",
  ...run.experiments.flatMap((experiment) => [
    h("h2", {}, experiment.name),
    h("p", { class: "soft" }, experiment.question),
    experiment.comparison ? comparison(experiment.comparison, experiment.checks)
      : experiment.checks?.length ? h("section", { class: "card" }, checks(experiment.checks, [])) : null,
    experiment.tables?.length ? h("section", { class: "card" }, experiment.tables.flatMap(extra)) : null,
    ...experiment.arms.map((it) => arm(experiment, it)),
  ].filter((child) => child !== null)),
  h("p", { class: "soft mono" }, run.command.join(" ")));
// The first trace of each arm is what most people look for.
for (const fold of document.querySelectorAll(".fold")) fold.querySelector("details")?.setAttribute("open", "");
