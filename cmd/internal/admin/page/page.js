// The status page. The daemon tells it what happened before ("hello") and what happens ("status", "sample", "event"); each
// part below draws its share of that.

import { byId, Drawing, h, say } from "./dom.js";
import { Endpoints } from "./endpoints.js";
import { HandOvers } from "./handovers.js";
import { inNumbers, inTime, key, Plot, spanOf } from "./plot.js";
import { Stream, Unauthorized } from "./stream.js";
import { Switchover } from "./switchover.js";
import { Topology } from "./topology.js";
import * as words from "./words.js";

const samplesKept = 720;
const eventsKept = 500;
const eventsShown = 100;
const tokenKey = "baton-token";

const known = { status: null, samples: [], events: [], session: null, heard: 0 };

const token = () => sessionStorage.getItem(tokenKey) ?? "";
const topology = new Topology(byId("flow"));
const endpoints = new Endpoints();
const handOvers = new HandOvers(byId("hand-overs"));
const switchover = new Switchover(token);

// ---- the verdict ----

const problems = new Drawing(byId("problems"));

const showVerdict = (status) => {
  const found = words.problemsOf(status);
  say(byId("verdict"), words.headline(status, found));
  say(byId("because"), words.because(status));
  problems.draw(found, () => found.map((p) =>
    h("div", { class: `problem ${p.tone}` }, h("h3", {}, `${p.tone === "bad" ? "▲" : "◐"} ${p.title}`), p.text ? h("p", {}, p.text) : null, p.mend ? h("p", {}, h("strong", {}, "What to do: "), p.mend) : null)));
  byId("under-way").hidden = !status.hand_over;
  if (status.hand_over) {
    const o = status.hand_over;
    say(byId("under-way-title"), `${o.kind[0].toUpperCase()}${o.kind.slice(1)} from ${o.from}${o.to ? ` to ${o.to}` : ""}`);
    say(byId("under-way-text"), `At step ${o.step ?? "–"}, since ${words.clock(o.since)}.`);
  }
  document.title = `${found.length > 0 || status.hand_over ? "▲ " : ""}${status.cluster} – baton`;
};

// ---- the plots ----

const lagPlots = new Map();
const lags = new Drawing(byId("lags"));
const throughput = new Plot(words.rate, words.rate, inNumbers);
const legend = h("ul", { class: "legend" });
const legendDrawing = new Drawing(legend);
byId("throughput").append(h("div", { class: "card plot" }, throughput.element, legend));

const showLags = (status) => {
  const followers = status.instances.filter((i) => i.role === "follower");
  lags.draw(followers.map((i) => i.name), () => {
    lagPlots.clear();
    return followers.map((i) => {
      const plot = new Plot(words.seconds, words.brief, inTime);
      const now = h("span", { class: "now" });
      lagPlots.set(i.name, { plot, now });
      return h("div", { class: "card plot", "data-follower": i.name }, h("header", {}, h("h3", {}, i.name), now), plot.element);
    });
  });
  for (const i of followers) say(lagPlots.get(i.name).now, i.lag_seconds === null ? "unknown" : words.seconds(i.lag_seconds));
};

const showSamples = () => {
  const now = known.samples.at(-1)?.at;
  if (!now) return;
  const span = spanOf(known.samples);
  const over = span === 3600 ? "over the last hour" : `over the last ${span / 60} minutes`;
  say(byId("lag-span"), over);
  say(byId("throughput-span"), `transactions a second, ${over}`);
  const series = (value) => known.samples.map((sample) => ({ t: sample.at, v: value(sample) ?? null }));
  let colour = 0;
  for (const [name, { plot }] of lagPlots) {
    const points = series((sample) => sample.followers[name]?.lag);
    const most = Math.max(0, ...points.map((p) => p.v ?? 0));
    plot.show([{ name, colour: colour++, filled: true, points }], now, span, `Lag of ${name} ${over}: now ${words.seconds(points.at(-1).v)}, at most ${words.seconds(most)}.`);
  }
  const names = [...lagPlots.keys()];
  throughput.show([
    { name: "received", colour: 0, filled: true, points: series((sample) => sample.received) },
    ...names.map((name, i) => ({ name: `applied to ${name}`, colour: i + 1, points: series((sample) => sample.followers[name]?.applied) })),
  ], now, span, `Transactions a second ${over}: now ${words.rate(known.samples.at(-1).received)} received.`);
  legendDrawing.draw(names, () => ["received", ...names.map((name) => `applied to ${name}`)].map((name, i) => h("li", {}, key(i, i === 0), name)));
};

// ---- the cards ----

const facts = (pairs) => h("dl", {}, ...pairs.flatMap(([term, is]) => [h("dt", {}, term), h("dd", {}, is)]));

const cards = { durability: new Drawing(byId("durability")), relay: new Drawing(byId("relay")), forecast: new Drawing(byId("forecast")) };

const showCards = (status) => {
  const sample = known.samples.at(-1);
  const d = status.durability;
  const isProtected = d.state === "protected";
  const durability = [words.durability(status), isProtected, [
    ["mode", d.mode ?? "–"], ["for", words.since(d.since, status.time)], ["acknowledgements", words.rate(status.source.acknowledged)]]];
  cards.durability.draw(durability, () => [
    h("p", { class: "lead-text" }, h("span", { class: `tag ${isProtected ? "good" : d.mode === "async" ? "" : "warn"}`, "data-sign": isProtected ? "●" : "◐" }, d.state ?? "unknown")),
    h("p", { class: "small soft" }, durability[0]), h("br"), facts(durability[2])]);

  const r = status.relay;
  const relay = [
    ["on disk", `${words.bytes(r.bytes)} in ${words.count(r.segments, "segment")}`], ["in memory", words.bytes(r.memory_bytes)],
    ["comes in", sample ? `${words.bytes(sample.bytes)} a second` : "–"],
    ["an fsync takes", r.fsyncs > 0 ? `${((1000 * r.fsync_seconds) / r.fsyncs).toFixed(1)} ms on average` : "–"]];
  cards.relay.draw(relay, () => [facts(relay)]);

  const f = status.forecast;
  const forecast = [words.forecast(status), f.blocked_by, f.refused, f.candidates.length];
  cards.forecast.draw(forecast, () => [
    h("p", { class: "lead-text" }, forecast[0]),
    f.blocked_by ? h("p", { class: "small" }, `Why not: ${f.blocked_by}`) : "",
    h("ul", { class: "refused" }, ...f.refused.map((no) => h("li", {}, h("b", {}, no.instance), ` can't lead: ${no.reason}`)))]);
};

// ---- the history ----

const signs = { info: ["", "·"], warn: ["warn", "◐"], error: ["bad", "▲"] };

const entry = (e) => {
  const [tone, sign] = signs[e.level] ?? ["", "·"];
  return h("li", {}, h("time", { datetime: e.time }, words.moment(e.time)), h("span", { class: tone, role: "img", "aria-label": e.level }, sign),
    h("div", {}, e.instance && !e.message.startsWith(e.instance) ? `${e.instance}: ` : "", e.message, e.mend ? h("div", { class: "mend" }, `→ ${e.mend}`) : null));
};

const showHistory = () => {
  byId("events").replaceChildren(...known.events.slice(-eventsShown).reverse().map(entry));
  handOvers.show(known.events);
};

const addEvent = (e) => {
  known.events.push(e);
  known.events.splice(0, known.events.length - eventsKept);
  byId("events").prepend(entry(e));
  while (byId("events").children.length > eventsShown) byId("events").lastElementChild.remove();
  handOvers.show(known.events);
};

// ---- the connection ----

const live = (tone, text) => {
  byId("link").className = `link ${tone}`;
  say(byId("link"), text);
  byId("main").classList.toggle("stale", tone === "lost");
};

const told = {
  hello: ({ samples, events, build, session }) => {
    Object.assign(known, { samples, events, session });
    say(byId("build"), `baton ${build.version}${build.revision ? ` (${build.revision})` : ""}. You are ${session.name}.`);
    byId("login").hidden = true;
    byId("main").hidden = false;
    showHistory();
  },
  status: (status) => {
    known.status = status;
    say(byId("cluster"), status.cluster);
    showVerdict(status);
    topology.show(status, known.samples.at(-1));
    endpoints.show(status);
    const before = lagPlots.size;
    showLags(status);
    showCards(status);
    switchover.show(status, known.session);
    if (known.samples.length > 0 && before !== lagPlots.size) showSamples();
    live("live", "live");
  },
  sample: (sample) => {
    known.samples.push(sample);
    known.samples.splice(0, known.samples.length - samplesKept);
    showSamples();
  },
  event: addEvent,
};

// draw draws what came. What fails there is a fault of this page, and none of the connection.
const draw = (name, thing) => {
  try {
    told[name]?.(thing);
  } catch (error) {
    reportError(error);
  }
};

const stream = new Stream(draw, (why) => {
  if (why instanceof Unauthorized) {
    say(byId("login-error"), token() ? why.message : "");
    byId("login").hidden = false;
    byId("main").hidden = true;
    live("", "not connected");
    byId("token").focus();
    return;
  }
  live("lost", known.status ? `not connected; this is from ${words.clock(known.status.time)}` : "not connected, trying again");
});

byId("login").addEventListener("submit", (e) => {
  e.preventDefault();
  sessionStorage.setItem(tokenKey, byId("token").value.trim());
  byId("token").value = "";
  stream.open(token());
});

stream.open(token());
