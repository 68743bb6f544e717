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

/** A line chart over seconds. `lines`: [{name, colour, points: [[second, value]]}]. */
function chart(title, unit, lines, phases) {
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
  for (const part of [0, 0.5, 1]) {
    const value = most * part;
    picture.append(svg("line", { x1: left, x2: width - 6, y1: y(value), y2: y(value), class: "grid" }));
    picture.append(svg("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, String(+value.toPrecision(3))));
  }
  for (const second of [0, end / 2, end]) {
    picture.append(svg("text", { x: x(second), y: height - 5, "text-anchor": "middle" }, `${+second.toFixed(1)} s`));
  }
  for (const line of lines) {
    const points = line.points.map(([second, value]) => `${x(second + 0.5).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    picture.append(svg("polyline", { points, fill: "none", style: `stroke:${line.colour}`, "stroke-width": 1.8, "stroke-linejoin": "round" }));
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
  const { seconds, phases } = details;
  // The last second may hold requests that were due after the last full one.
  const whole = seconds.filter((it) => it.at < phases.at(-1).to);
  const routes = [...new Set(whole.map((it) => it.route))];
  const of = (route, field) => whole.filter((it) => it.route === route).map((it) => [it.at, it[field]]);
  const lines = [["p50", "p50_ms", "var(--teal)"], ["p95", "p95_ms", "var(--blue)"], ["p99", "p99_ms", "var(--violet)"]];
  return h("div", { class: "charts" },
    chart("Requests", "per second", [{ name: "all routes", colour: "var(--blue)", points: perSecond(whole, "requests") }], phases),
    chart("Errors", "per second", [{ name: "all routes", colour: "var(--fail)", points: perSecond(whole, "errors") }], phases),
    routes.map((route) => chart(route, "ms", lines.map(([name, field, colour]) => ({ name, colour, points: of(route, field) })), phases)));
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
    bars.length ? bars : h("p", { class: "soft" }, "No span of this request came."),
    h("p", { class: "soft mono" }, trace.trace_id ? `trace ${trace.trace_id}` : ""));
}

function check(it, hurts) {
  const wanted = hurts && it.group === "objective" && it.outcome === "FAIL";
  const why = it.outcome === "PASS" || wanted || !it.counts ? [] : it.details ?? [];
  return h("tr", {},
    h("td", {}, it.counts ? stamp(it.outcome) : h("span", { class: "tag" }, "shown")),
    h("td", { class: "soft" }, it.group),
    h("td", {}, it.name, wanted ? h("span", { class: "soft" }, " (as it must)") : null),
    h("td", {}, it.observed, why.length ? h("ul", { class: "why" }, why.map((text) => h("li", {}, text))) : null),
    h("td", { class: "soft" }, it.expected));
}

const seconds = (value) => value == null ? "–" : `${value.toFixed(2)} s`;

function arm(it) {
  const hurts = it.expectation === "must_hurt";
  const load = it.load;
  return h("section", { class: "card" },
    h("div", { class: "title" }, stamp(it.outcome), h("h3", {}, it.name), h("span", {}, it.description), hurts ? h("span", { class: "tag" }, "must hurt") : null),
    h("h4", {}, "Evidence"),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ["", "about", "check", "seen", "expected"].map((title) => h("th", {}, title)))),
      h("tbody", {}, it.checks.map((one) => check(one, hurts))))),
    it.kills?.length ? h("h4", {}, "What was killed, and the orders acknowledged from then to the next kill") : null,
    it.kills?.length ? table([
      { title: "killed", of: (row) => row.victim },
      { title: "at", numeric: true, of: (row) => `${row.at_s.toFixed(1)} s` },
      { title: "answered after", numeric: true, of: (row) => seconds(row.answered_after_s) },
      { title: "ready after", numeric: true, of: (row) => seconds(row.ready_after_s) },
      { title: "acknowledged", numeric: true, of: (row) => count(row.acknowledged) },
      { title: "final", numeric: true, of: (row) => count(row.ended) },
      { title: "lost", numeric: true, of: (row) => count(row.lost) },
      { title: "doubled", numeric: true, of: (row) => count(row.doubled) },
      { title: "not ready meanwhile", of: (row) => row.unready.join(", ") },
    ], it.kills) : null,
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
    h("h4", {}, "Calls between services, counted on both sides"),
    table([
      { title: "caller", of: (row) => row.caller },
      { title: "callee", of: (row) => row.callee },
      { title: "operation", of: (row) => h("code", {}, row.operation) },
      { title: "status", of: (row) => row.status },
      { title: "caller counted", numeric: true, of: (row) => count(row.caller_count) },
      { title: "callee counted", numeric: true, of: (row) => count(row.callee_count) },
    ], it.edges),
    h("h4", {}, "Slowest requests, at least one of each route"),
    (it.details?.traces ?? []).map(waterfall),
    h("h4", {}, "Processes and load"),
    table([
      { title: "service", of: (row) => row.service },
      { title: "replicas", numeric: true, of: (row) => row.replicas },
      { title: "CPU", numeric: true, of: (row) => `${row.cpu_s.toFixed(1)} s` },
      { title: "peak memory", numeric: true, of: (row) => `${row.peak_memory_mb.toFixed(1)} MB` },
    ], it.resources),
    h("p", { class: "soft" }, `${count(load.attempts)} attempts by ${load.users} goose users; send lag p50 ${ms(load.lag_p50_ms)}, p99 ${ms(load.lag_p99_ms)}, at most ${ms(load.lag_max_ms)}.`));
}

document.getElementById("page").replaceChildren(
  h("header", {}, stamp(run.outcome), h("div", {},
    h("h1", {}, "Windtunnel"),
    h("p", { class: "soft" }, `${run.started.replace("T", " ").slice(0, 19)} UTC, ${run.duration_s.toFixed(0)} s, on ${run.backends}, seed ${run.seed}, ${run.machine.profile} build, ${run.machine.cores} cores, ${run.machine.os} ${run.machine.architecture}`))),
  ...run.experiments.flatMap((experiment) => [
    h("h2", {}, experiment.name),
    h("p", { class: "soft" }, experiment.question),
    ...experiment.arms.map(arm),
  ]),
  h("p", { class: "soft mono" }, run.command.join(" ")));
// The first trace of each arm is what most people look for.
for (const section of document.querySelectorAll("section")) section.querySelector("details")?.setAttribute("open", "");
