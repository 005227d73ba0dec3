import { byId, Drawing, h, say } from "./dom.js";
import { lines, request } from "./stream.js";
import { listed, precisely } from "./words.js";

// Switchover offers to hand the leadership over: with buttons where whoever looks may give commands, else by saying what
// to type.
export class Switchover {
  #drawing = new Drawing(byId("hand-over"));
  #dialog = byId("confirm");
  #token = () => "";
  #to = "";
  #leader = "";
  #leads = false; // whether endpoints lead clients to the leader
  #running = false;

  constructor(token) {
    this.#token = token;
    byId("confirm-go").addEventListener("click", () => this.#carryOut());
    this.#dialog.addEventListener("cancel", (e) => this.#running && e.preventDefault());
  }

  show(status, session) {
    this.#leader = status.leader ?? "";
    this.#leads = status.endpoints.some((e) => e.route === "leader");
    const candidates = status.forecast.candidates.map((c) => c.instance);
    const refused = status.forecast.refused;
    const dead = ["died", "silent"].includes(status.leader_health.health) && Boolean(status.forecast.blocked_by);
    this.#drawing.draw([candidates, refused, dead, session, Boolean(status.hand_over)], () => this.#draw(candidates, refused, dead, session, status.hand_over));
  }

  #draw(candidates, refused, dead, session, underWay) {
    const parts = [];
    const reasons = h("ul", { class: "refused" }, ...refused.map((r) => h("li", {}, h("b", {}, r.instance), ` can't lead: ${r.reason}`)));
    if (underWay) return [h("p", { class: "soft" }, "A hand-over is under way.")];
    if (dead) {
      parts.push(h("p", {}, "The leader is gone and nobody takes over by itself. This asks, says what could be lost, and hands over:"), this.#commands([["baton failover", session]]));
    } else if (candidates.length === 0) {
      parts.push(h("p", {}, "Nobody could lead now."));
    } else if (session.role === "command") {
      parts.push(h("p", {}, `${this.#leader} leads. A switchover stops writes for a moment, gives the other one all of the relay first, and can be undone until then.`),
        h("p", { class: "row" }, ...candidates.map((name) => h("button", { type: "button", "data-to": name, onclick: () => this.#ask(name) }, `Hand over to ${name}…`))));
      parts[1].style.marginTop = "1rem";
    } else {
      parts.push(h("p", {}, `This page may only look. To hand over to ${listed(candidates)}, type on baton's machine:`), this.#commands(candidates.map((name) => [`baton switchover --to ${name}`, session])));
    }
    if (refused.length > 0) parts.push(reasons);
    return parts;
  }

  #commands(commands) {
    return h("ul", { class: "commands" }, ...commands.map(([text, session]) => {
      const command = `${text} --socket ${session.socket}`;
      const button = h("button", { type: "button", "aria-label": `Copy: ${command}` }, "Copy");
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(command);
        say(button, "Copied");
        setTimeout(() => say(button, "Copy"), 2000);
      });
      return h("li", {}, h("code", {}, command), navigator.clipboard ? button : null);
    }));
  }

  async #ask(to) {
    this.#to = to;
    say(byId("confirm-title"), `Hand over to ${to}?`);
    say(byId("confirm-text"), "Asking baton …");
    say(byId("confirm-error"), "");
    byId("confirm-steps").replaceChildren();
    say(byId("confirm-cancel"), "Leave it");
    byId("confirm-go").hidden = false;
    byId("confirm-go").disabled = true;
    this.#dialog.showModal();
    byId("confirm-cancel").focus();
    try {
      const plan = await (await request(`/v1/switchover?dry_run=true&to=${encodeURIComponent(to)}`, this.#token(), { method: "POST" })).json();
      say(byId("confirm-text"), `${plan.from} is made read-only, what still runs there is ended after switchover.drain_timeout, ${plan.to} is given everything, takes writes, and ${plan.from} follows it. ${this.#leads ? "Clients of the endpoints wait meanwhile." : `Clients have to find ${plan.to}, or be led there by a hook.`}`);
      byId("confirm-go").disabled = false;
    } catch (error) {
      say(byId("confirm-text"), "");
      say(byId("confirm-error"), error.message);
    }
  }

  async #carryOut() {
    this.#running = true;
    byId("confirm-go").disabled = byId("confirm-cancel").disabled = true;
    say(byId("confirm-text"), `Handing over from ${this.#leader} to ${this.#to}.`);
    try {
      const answer = await request(`/v1/switchover?to=${encodeURIComponent(this.#to)}`, this.#token(), { method: "POST" });
      for await (const line of lines(answer)) {
        if (!line) continue;
        const { step, result, error } = JSON.parse(line);
        if (step) byId("confirm-steps").append(h("li", {}, h("time", {}, precisely(step.elapsed_seconds)), ` ${step.step}${step.detail ? `: ${step.detail}` : ""}`));
        if (result) say(byId("confirm-text"), `${result.to} leads. For ${precisely(result.unwritable_seconds)} nobody could be written to.`);
        if (error) throw new Error(error.mend ? `${error.error}: ${error.mend}` : error.error);
      }
    } catch (error) {
      say(byId("confirm-error"), error.message);
    }
    this.#running = false;
    byId("confirm-go").hidden = true;
    byId("confirm-cancel").disabled = false;
    say(byId("confirm-cancel"), "Close");
    byId("confirm-cancel").focus();
  }
}
