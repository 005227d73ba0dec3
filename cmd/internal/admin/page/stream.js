// The stream of what happens: Server-Sent Events, read by fetch, because EventSource can't send a token.

const quiet = 8000; // milliseconds without anything, after which a connection is taken for dead: a status comes every second
const firstPause = 500;
const longestPause = 10000;

export class Unauthorized extends Error {}

// request asks the daemon, with the token where there is one.
export const request = async (path, token, options = {}) => {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "same-origin" });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({ error: answer.statusText }));
  const text = said.mend ? `${said.error}: ${said.mend}` : said.error;
  throw answer.status === 401 ? new Unauthorized(text) : new Error(text);
};

// lines yields the lines of an answer as they come.
export async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
  if (rest) yield rest;
}

// A Stream calls told(name, thing) for whatever comes, and lost(why) when a connection ends; then it connects again, for
// as long as the page is looked at.
export class Stream {
  #told;
  #lost;
  #token = "";
  #abort = null;
  #timer = 0;
  #pause = firstPause;

  constructor(told, lost) {
    this.#told = told;
    this.#lost = lost;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#end() : this.open(this.#token)));
  }

  // open connects, in place of a connection that there may be.
  open(token) {
    this.#end();
    this.#token = token;
    this.#abort = new AbortController();
    this.#run(this.#abort);
  }

  #end() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  async #run(abort) {
    let why = new Error("baton has ended the stream");
    let watchdog = 0;
    const heard = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), quiet);
    };
    try {
      heard();
      const answer = await request("/v1/watch", this.#token, { signal: abort.signal });
      let name = "";
      for await (const line of lines(answer)) {
        if (abort !== this.#abort) return;
        heard();
        if (line.startsWith("event: ")) name = line.slice(7);
        else if (line.startsWith("data: ")) {
          this.#pause = firstPause;
          this.#told(name, JSON.parse(line.slice(6)));
        }
      }
    } catch (error) {
      why = error;
    } finally {
      clearTimeout(watchdog);
    }
    if (abort !== this.#abort) return; // it was closed, or opened anew
    this.#lost(why);
    if (why instanceof Unauthorized) return;
    this.#timer = setTimeout(() => this.open(this.#token), this.#pause * (0.75 + Math.random() / 2));
    this.#pause = Math.min(this.#pause * 2, longestPause);
  }
}
