import { Drawing, h } from "./dom.js";
import { moment, precisely } from "./words.js";

const shown = 5;

// handOversOf finds the hand-overs in the history, the newest first. Each step is an event.
export const handOversOf = (events) => {
  const found = [];
  let open = null;
  for (const e of events) {
    if (e.step) {
      const { hand_over: kind, elapsed_seconds: at, name, detail } = e.step;
      if (!open || open.kind !== kind || at < open.steps.at(-1).at) found.push((open = { kind, time: e.time, steps: [], outcome: "", tone: "" }));
      open.steps.push({ at, name, detail: detail ?? "" });
    } else if (open && ["hand-over-done", "hand-over-undone", "hand-over-failed"].includes(e.kind)) {
      open.outcome = e.message;
      open.tone = { "hand-over-done": "good", "hand-over-undone": "warn", "hand-over-failed": "bad" }[e.kind];
      open.time = e.time;
      if (e.kind !== "hand-over-failed") open = null;
    } else if (open && e.kind === "loss-receipt") {
      open.receipt = e.message;
    }
  }
  return found.reverse();
};

const head = () => h("thead", { class: "unseen" }, h("tr", {}, ...["after", "step", "what"].map((title) => h("th", { scope: "col" }, title))));

const draw = (one) => {
  const end = one.steps.at(-1).at;
  const bar = h("div", { class: "bar", "aria-hidden": "true" }, ...one.steps.map((step, i) => {
    const piece = h("i", { title: `${step.name}, ${precisely(step.at)}` });
    piece.style.flexGrow = Math.max(1, 1000 * ((one.steps[i + 1]?.at ?? end) - step.at)); // a sum below 1 would not fill the bar
    return piece;
  }));
  const rows = one.steps.map((step) => h("tr", {}, h("td", {}, precisely(step.at)), h("td", {}, step.name), h("td", {}, step.detail)));
  const words = { good: "done", warn: "undone", bad: "failed" }[one.tone] ?? "under way";
  const signs = { good: "●", warn: "◐", bad: "▲" };
  return h("article", { class: "card passed" },
    h("header", {}, h("h3", {}, one.kind), h("span", { class: "soft" }, moment(one.time), " ", h("span", { class: `tag ${one.tone}`, "data-sign": signs[one.tone] ?? "…" }, words))),
    h("p", {}, one.outcome), one.receipt ? h("p", { class: "soft" }, one.receipt) : null,
    bar, h("table", { "aria-label": `Steps of the ${one.kind}` }, head(), h("tbody", {}, ...rows)));
};

// HandOvers draws the timelines of the last hand-overs.
export class HandOvers {
  #drawing;

  constructor(element) {
    this.#drawing = new Drawing(element);
  }

  show(events) {
    const found = handOversOf(events).slice(0, shown);
    this.#drawing.draw(found, () => (found.length > 0 ? found.map(draw) : [h("p", { class: "card soft" }, "None that the history still tells of.")]));
  }
}
