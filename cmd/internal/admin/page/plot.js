import { h, s, say } from "./dom.js";
import { clock } from "./words.js";

const spans = [300, 900, 1800, 3600]; // seconds that a plot may show
const divisions = { 300: 5, 900: 3, 1800: 3, 3600: 4 }; // into so many parts
const height = 150;
const room = { left: 44, right: 10, top: 10, bottom: 22 };
const gap = 16; // seconds between two samples that are not joined

// inTime are the tops of a scale of times, of which halves are round too; inNumbers those of any other.
export const inTime = [1, 2, 4, 10, 20, 60, 120, 240, 600, 1200, 3600, 7200, 14400, 36000, 86400, 172800, 604800];
export const inNumbers = Array.from({ length: 30 }, (_, i) => [10, 20, 50][i % 3] * 10 ** Math.floor(i / 3));

// spanOf is how far back plots reach, in seconds: an hour, as soon as there is something to be seen in it.
export const spanOf = (samples) => {
  const age = samples.length > 0 ? samples.at(-1).at - samples[0].at : 0;
  return spans.find((span) => span >= age) ?? spans.at(-1);
};

// A Plot draws series over the time before a moment. It is read with the pointer, or with the arrow keys when it has the focus.
export class Plot {
  element;
  #svg = s("svg", { role: "img", tabindex: "0", "aria-label": "A plot; nothing has been measured yet." });
  #reading = h("p", { class: "reading", "aria-live": "polite" });
  #hair = s("line", { class: "hair", visibility: "hidden" });
  #format;
  #scale;
  #short;
  #series = [];
  #now = 0;
  #span = spans[0];
  #width = 0;
  #at = -1; // the sample that is read

  // A Plot says values by format, those of its scale, whose possible tops are given, by short.
  constructor(format, short, scale) {
    this.#format = format;
    this.#short = short;
    this.#scale = scale;
    this.element = h("div", {}, this.#svg, this.#reading);
    this.#svg.addEventListener("pointermove", (e) => this.#point(e));
    this.#svg.addEventListener("pointerdown", (e) => this.#point(e));
    this.#svg.addEventListener("pointerleave", () => this.#read(-1));
    this.#svg.addEventListener("blur", () => this.#read(-1));
    this.#svg.addEventListener("keydown", (e) => this.#key(e));
    new ResizeObserver(() => this.#draw()).observe(this.element);
  }

  // show draws series of {name, colour, points: [{t, v}]}, all with the same times; a v of null is a gap. label is what a
  // screen reader reads.
  show(series, now, span, label) {
    this.#series = series;
    this.#now = now;
    this.#span = span;
    this.#svg.setAttribute("aria-label", `${label} Use the arrow keys to read values.`);
    this.#draw();
  }

  #x(t) {
    return room.left + ((this.#width - room.left - room.right) * (t - this.#now + this.#span)) / this.#span;
  }

  #draw() {
    this.#width = Math.max(240, Math.floor(this.element.clientWidth));
    if (this.element.clientWidth === 0) return;
    const most = Math.max(0, ...this.#series.flatMap((one) => one.points.map((p) => p.v ?? 0)));
    const ceiling = this.#scale.find((top) => top >= most) ?? most;
    const y = (v) => room.top + (height - room.top - room.bottom) * (1 - v / ceiling);
    const parts = [];
    for (const v of [0, ceiling / 2, ceiling]) {
      parts.push(s("line", { class: "rule", x1: room.left, x2: this.#width - room.right, y1: y(v), y2: y(v) }));
      parts.push(s("text", { x: room.left - 8, y: y(v) + 4, "text-anchor": "end" }, this.#short(v)));
    }
    const parted = this.#width < 420 ? 1 : divisions[this.#span];
    for (let i = 0; i <= parted; i++) {
      const minutes = (i * this.#span) / parted / 60;
      const anchor = i === parted ? "start" : i === 0 ? "end" : "middle";
      parts.push(s("text", { x: this.#x(this.#now - minutes * 60), y: height - 4, "text-anchor": anchor }, i === 0 ? "now" : `−${minutes} min`));
    }
    for (const one of this.#series) parts.push(...this.#line(one, y));
    this.#svg.setAttribute("viewBox", `0 0 ${this.#width} ${height}`);
    this.#hair.setAttribute("y1", room.top);
    this.#hair.setAttribute("y2", height - room.bottom);
    this.#svg.replaceChildren(...parts, this.#hair);
    this.#read(this.#at);
  }

  #line({ colour, points, filled }, y) {
    let line = "", area = "", begun = null, before = null;
    const close = () => (begun === null ? "" : `L${this.#x(before.t).toFixed(1)} ${y(0)}L${begun} ${y(0)}Z`);
    for (const p of points) {
      if (p.v === null || p.v === undefined || p.t < this.#now - this.#span) continue;
      const x = this.#x(p.t).toFixed(1);
      const joined = before !== null && p.t - before.t < gap;
      if (!joined) {
        area += close();
        begun = x;
      }
      const step = `${joined ? "L" : "M"}${x} ${y(p.v).toFixed(1)}`;
      line += step;
      area += step;
      before = p;
    }
    area += close();
    const parts = [s("path", { class: `line c${colour % 5}${filled ? "" : ` d${colour % 5}`}`, d: line })];
    if (filled) parts.unshift(s("path", { class: `area c${colour % 5}`, d: area }));
    return parts;
  }

  #points() {
    return this.#series[0]?.points ?? [];
  }

  #point(event) {
    const box = this.#svg.getBoundingClientRect();
    const t = this.#now - this.#span + (this.#span * ((event.clientX - box.left) * (this.#width / box.width) - room.left)) / (this.#width - room.left - room.right);
    let nearest = -1;
    this.#points().forEach((p, i) => {
      if (nearest < 0 || Math.abs(p.t - t) < Math.abs(this.#points()[nearest].t - t)) nearest = i;
    });
    this.#read(nearest);
  }

  #key(event) {
    const n = this.#points().length;
    const to = { ArrowLeft: (this.#at < 0 ? n : this.#at) - 1, ArrowRight: this.#at < 0 ? n - 1 : this.#at + 1, PageUp: this.#at - 60, PageDown: this.#at + 60, Home: 0, End: n - 1, Escape: -1 }[event.key];
    if (to === undefined || n === 0) return;
    event.preventDefault();
    this.#read(event.key === "Escape" ? -1 : Math.min(Math.max(to, 0), n - 1));
  }

  #read(i) {
    const p = this.#points()[i];
    this.#at = p ? i : -1;
    this.#hair.setAttribute("visibility", p ? "visible" : "hidden");
    if (!p) {
      say(this.#reading, "");
      return;
    }
    this.#hair.setAttribute("x1", this.#x(p.t));
    this.#hair.setAttribute("x2", this.#x(p.t));
    const values = this.#series.map((one) => `${this.#series.length > 1 ? `${one.name} ` : ""}${one.points[i]?.v == null ? "unknown" : this.#format(one.points[i].v)}`);
    say(this.#reading, `${clock(p.t * 1000)}: ${values.join(", ")}`);
  }
}

// key is the piece of line that stands for a series in a legend.
export const key = (colour, filled) =>
  s("svg", { viewBox: "0 0 28 12", "aria-hidden": "true", class: "plot" }, s("line", { class: `line c${colour % 5}${filled ? "" : ` d${colour % 5}`}`, x1: 0, x2: 28, y1: 6, y2: 6 }));
