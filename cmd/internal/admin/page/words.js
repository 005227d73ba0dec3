// Numbers and conditions in words.

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const count = (n, one, many = one + "s") => `${number.format(n)} ${n === 1 ? one : many}`;

export const rate = (n) => (n > 0 && n < 10 ? fine.format(n) : number.format(n));

// seconds is a time that something takes, as short as it can be said.
export const seconds = (t) => {
  if (t === null || t === undefined) return "unknown";
  if (t < 0.05) return "0 s";
  if (t < 10) return `${fine.format(t)} s`;
  if (t < 59.5) return `${number.format(t)} s`;
  const minutes = Math.floor(t / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(t % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
};

// brief is a time where there is little room.
export const brief = (t) => {
  if (t < 60) return `${fine.format(t)} s`;
  if (t < 3600) return `${fine.format(t / 60)} min`;
  return t < 172800 ? `${fine.format(t / 3600)} h` : `${fine.format(t / 86400)} d`;
};

export const precisely = (t) => `${t.toFixed(t < 10 ? 2 : 1)} s`;

export const bytes = (n) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit > 0 && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
};

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const clock = (at) => time.format(new Date(at));

// moment is a time of day, with the day where that isn't today.
export const moment = (at) => {
  const date = new Date(at);
  return date.toDateString() === new Date().toDateString() ? time.format(date) : `${day.format(date)}, ${time.format(date)}`;
};

export const since = (at, now) => (at ? seconds(Math.max(0, (new Date(now) - new Date(at)) / 1000)) : "unknown");

const list = new Intl.ListFormat("en");
export const listed = (names) => list.format(names);

// A state has a sign beside its colour.
const states = {
  streaming: ["good", "●", "streaming"],
  "catching-up": ["warn", "◐", "catching up"],
  paused: ["warn", "▮▮", "paused"],
  stopped: ["bad", "■", "stopped"],
  unreachable: ["bad", "○", "unreachable"],
  quarantined: ["bad", "▲", "quarantined"],
  "needs-seed": ["bad", "✕", "needs a seed"],
};

export const stateOf = (instance) => {
  const [tone, sign, words] = states[instance.state] ?? ["", "", instance.state];
  return { tone, sign, words };
};

const followersOf = (status) => status.instances.filter((i) => i.role === "follower");

// problemsOf lists what is wrong, the worst first: {tone, title, text, mend}.
export const problemsOf = (status) => {
  const problems = [];
  const add = (tone, title, text, mend) => problems.push({ tone, title, text: text ?? "", mend: mend ?? "" });
  const leader = status.leader ?? "the leader";
  const health = status.leader_health.health;
  if (status.relay.error) add("bad", "The relay can't be written", status.relay.error, status.relay.mend);
  if (health && health !== "alive") {
    add("bad", { suspect: `Something is wrong with ${leader}`, died: `${leader} has died`, silent: `${leader} is silent` }[health] ?? `${leader} is ${health}`,
      status.leader_health.reason, "");
  }
  if (status.source.state === "stopped") add("bad", "The stream from the leader has stopped", status.source.error, status.source.mend);
  else if (status.source.state === "connecting" && (!health || health === "alive")) add("warn", "The stream from the leader is interrupted", status.source.error, status.source.mend);
  for (const i of followersOf(status)) {
    const { tone, words } = stateOf(i);
    const where = i.failed_gtid ? ` (transaction ${i.failed_gtid}${i.failed_table ? `, ${i.failed_table}` : ""})` : "";
    if (tone === "bad") add("bad", `${i.name} ${{ stopped: "has stopped", "needs a seed": "needs a seed" }[words] ?? `is ${words}`}`, (i.error ?? "") + where, i.mend);
    else if (i.state === "paused") add("warn", `${i.name} is paused`, "An operator has paused it.", `baton resume ${i.name}`);
    else if (i.state === "catching-up") add("warn", `${i.name} is catching up`, "It is further behind than apply.catch_up.after.", "");
  }
  if (status.durability.state === "unprotected" && status.durability.mode !== "async") {
    add("warn", "Commits are not protected", `They succeed on ${leader} without being in the relay.`, "");
  }
  if (status.failover_paused) add("warn", "Automatic failover is suspended", "An operator has suspended it.", "baton resume failover");
  else if (status.forecast.blocked_by && health === "alive") add("warn", "No failover would happen by itself", status.forecast.blocked_by, "");
  return problems.sort((a, b) => (a.tone === b.tone ? 0 : a.tone === "bad" ? -1 : 1));
};

export const headline = (status, problems) => {
  if (status.hand_over) return `A ${status.hand_over.kind} is under way`;
  if (problems.length === 0) return "All is well";
  return problems[0].title + (problems.length > 1 ? `, and ${count(problems.length - 1, "thing")} more` : "");
};

// because says what is so; it holds no number that changes all the time.
export const because = (status) => {
  const followers = followersOf(status).map((i) => i.name);
  const words = [followers.length > 0 ? `${status.leader} leads ${listed(followers)}, in epoch ${status.epoch}.` : `${status.leader} leads, in epoch ${status.epoch}. Nobody follows.`];
  if (status.durability.state === "protected") words.push(`A commit on ${status.leader} waits until it is durable in the relay.`);
  return words.join(" ");
};

// forecast says what a failover now would do: {text, lacks}.
export const forecast = (status) => {
  const f = status.forecast;
  if (!f.candidate) return `Nobody could lead in place of ${status.leader ?? "the leader"}.`;
  const lost = f.would_lose > 0 ? `${count(f.would_lose, "transaction")} that ${status.leader} has would be lost` : "nothing that is known of would be lost";
  return `${f.candidate} would lead, and ${lost}. ${f.blocked_by ? "It would not happen by itself." : "It would happen by itself."}`;
};

export const durability = (status) => {
  const d = status.durability;
  const promise = {
    strict: "A commit waits for the relay, however long.",
    balanced: "A commit waits for the relay, and after ack_timeout goes on without it.",
    async: "A commit doesn't wait for the relay.",
  }[d.mode];
  return promise ?? "";
};
