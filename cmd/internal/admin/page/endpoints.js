import { byId, Drawing, h } from "./dom.js";
import { count } from "./words.js";

const clients = (connections) => {
  const some = Object.entries(connections ?? {}).filter(([, n]) => n > 0).sort();
  return some.length > 0 ? some.map(([name, n]) => `${count(n, "client")} on ${name}`).join(", ") : "no clients now";
};

const draw = (e) => {
  const holds = Boolean(e.holding);
  return h("article", { class: "card" },
    h("header", { class: "row between" }, h("h3", {}, e.listen), h("span", { class: `tag ${holds ? "warn" : "good"}`, "data-sign": holds ? "▮▮" : "●" }, holds ? "holding" : `to ${e.leads_to || e.route}`)),
    h("p", { class: "small soft" }, clients(e.connections)),
    holds ? h("p", { class: "small" }, `${count(e.held, "client")} wait${e.held === 1 ? "s" : ""}: ${e.holding}`) : null);
};

// Endpoints draws the ports that lead clients; where there are none, nothing.
export class Endpoints {
  #drawing = new Drawing(byId("endpoints"));

  show(status) {
    byId("endpoints-section").hidden = status.endpoints.length === 0;
    this.#drawing.draw(status.endpoints.map(({ listen, route, leads_to, holding, held, connections }) => [listen, route, leads_to, holding, held, connections]), () => status.endpoints.map(draw));
  }
}
