import { Drawing, h, say } from "./dom.js";
import { bytes, count, rate, seconds, stateOf } from "./words.js";

const tag = () => h("span", { class: "tag" });

const setTag = (element, tone, sign, words) => {
  element.className = `tag ${tone}`;
  element.dataset.sign = sign;
  say(element, words);
};

// A Node is a box for one thing that data flows through.
class Node {
  element;
  #tag = tag();
  #what = h("p", { class: "what" });
  #figure = h("p", { class: "figure" });
  #more = h("p", { class: "what" });

  constructor(name, leads = false) {
    this.element = h("article", { class: leads ? "node leads" : "node" }, h("header", {}, h("h3", {}, name), this.#tag), this.#what, this.#figure, this.#more);
  }

  show({ tone, sign, words }, what, figure, unit, more) {
    setTag(this.#tag, tone, sign, words);
    say(this.#what, what);
    if (this.#figure.dataset.is !== `${figure} ${unit}`) {
      this.#figure.dataset.is = `${figure} ${unit}`;
      this.#figure.replaceChildren(figure, " ", h("small", {}, unit));
    }
    say(this.#more, more);
  }
}

// A Wire leads from one node to the next.
class Wire {
  element;
  #label = h("span", {});
  constructor() {
    this.element = h("div", { class: "wire" }, this.#label);
  }
  show(how, label) {
    this.element.className = `wire ${how}`;
    say(this.#label, label);
  }
}

// A Topology draws leader, relay and followers.
export class Topology {
  #drawing;
  #leader;
  #source;
  #relay;
  #followers = new Map();

  constructor(element) {
    this.#drawing = new Drawing(element);
  }

  show(status, sample) {
    const leader = status.instances.find((i) => i.role === "leader");
    const followers = status.instances.filter((i) => i.role === "follower");
    this.#drawing.draw([leader?.name, followers.map((i) => i.name)], () => this.#build(leader?.name ?? "nobody", followers));
    this.#showLeader(status, leader, sample);
    for (const i of followers) this.#showFollower(i);
  }

  #build(leader, followers) {
    this.#leader = new Node(leader, true);
    this.#source = new Wire();
    this.#relay = new Node("relay");
    this.#followers = new Map(followers.map((i) => [i.name, { node: new Node(i.name), wire: new Wire() }]));
    const items = [...this.#followers.values()].map(({ node, wire }) => h("li", {}, wire.element, node.element));
    return [this.#leader.element, this.#source.element, this.#relay.element, h("ul", { class: "followers", "aria-label": "Followers" }, ...items)];
  }

  #showLeader(status, leader, sample) {
    if (leader) {
      const health = status.leader_health.health;
      const well = health === "alive" || !health ? { ...stateOf(leader), words: "leads" } : { tone: "bad", sign: "▲", words: health };
      this.#leader.show(well, `leader · ${leader.address}`, sample ? rate(sample.received) : "–", "transactions a second", leader.version ? `MySQL ${leader.version}` : "");
    }
    const flows = status.source.state === "connected";
    this.#source.show(flows ? "flows" : "broken", flows && sample ? `${bytes(sample.bytes)}/s` : "");
    const protectedNow = status.durability.state === "protected";
    const shown = status.relay.error ? { tone: "bad", sign: "■", words: "can't be written" }
      : protectedNow ? { tone: "good", sign: "●", words: "acknowledges" } : { tone: status.durability.mode === "async" ? "" : "warn", sign: "◐", words: "unprotected" };
    this.#relay.show(shown, "baton's durable log", bytes(status.relay.bytes), `in ${count(status.relay.segments, "segment")}`, `${bytes(status.relay.memory_bytes)} in memory`);
  }

  #showFollower(i) {
    const { node, wire } = this.#followers.get(i.name);
    const behind = i.behind_transactions === null ? "" : i.behind_transactions === 0 ? "lacks nothing of the relay" : `lacks ${count(i.behind_transactions, "transaction")}`;
    node.show(stateOf(i), `follower · ${i.address}`, i.lag_seconds === null ? "–" : seconds(i.lag_seconds), "behind", behind);
    const flows = i.state === "streaming" || i.state === "catching-up";
    wire.show(flows ? "flows" : i.state === "paused" ? "" : "broken", "");
  }
}
