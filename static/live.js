// A live socket that says how things stand and then what changes, and goes on saying it: over lost connections, over a
// laptop's sleep, and by polling where sockets cannot pass.

const FIRST_PAUSE = 500; // ms; doubles up to
const LONGEST_PAUSE = 15000;
const POLL_EVERY = 2000;
const FIRST_FRAME_WITHIN = 3000; // the server speaks first, so a silent socket does not work
const STEADY_AFTER = 5000; // a socket that held so long proves that sockets pass
const SILENCE = 30000; // without a sign of life for so long, a socket is not trusted after a wake-up
const CHECK_EVERY = 25000; // a connection can die without a word: ask now and then

const FINAL = 1000;
const SESSION_OVER = 4401;
const GONE = [401, 403, 404, 410];

/**
 * Hand each JSON frame of the socket at `path` to `onFrame`, until the returned function is called.
 * `poll` is the address of the same frame by GET. `onGone` is called once when there is nothing more to hear;
 * `onTrouble(true | false)` when neither way works, and when one works again. `mark` is what of a frame tells whether
 * anything has changed.
 */
export function listen(path, onFrame, { poll = null, mark = ({ state }) => state, onGone = () => {}, onTrouble = () => {} } = {}) {
  let socket = null;
  let heard = false; // this socket has spoken
  let failures = 0;
  let lastSign = Date.now();
  let lastMark;
  let stopped = false;
  let polling = false; // polling takes the socket's place
  let asking = null; // the request under way
  let troubled = false;
  let ticked = Date.now();
  const timers = {};

  function later(name, ms, act) {
    clearTimeout(timers[name]);
    timers[name] = setTimeout(act, ms);
  }

  function trouble(now) {
    if (now !== troubled && !stopped) onTrouble((troubled = now));
  }

  function take(frame) {
    lastMark = mark(frame);
    trouble(false);
    onFrame(frame);
  }

  function connect() {
    if (stopped) return;
    drop();
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    let mine;
    try {
      mine = new WebSocket(url.href);
    } catch {
      failed();
      return;
    }
    socket = mine;
    heard = false;
    later("first", FIRST_FRAME_WITHIN, failed);
    mine.onmessage = ({ data }) => {
      if (mine !== socket) return;
      let frame;
      try {
        frame = JSON.parse(data);
      } catch {
        return;
      }
      lastSign = Date.now();
      if (!heard) {
        heard = true;
        polling = false;
        clearTimeout(timers.first);
        clearTimeout(timers.poll);
        later("steady", STEADY_AFTER, () => (failures = 0));
        later("check", CHECK_EVERY, check);
      }
      take(frame);
    };
    mine.onclose = ({ code }) => {
      if (mine !== socket) return;
      if (code === SESSION_OVER) gone();
      else if (code === FINAL) final();
      else failed();
    };
  }

  function drop() {
    for (const name of ["first", "steady", "check", "connect"]) clearTimeout(timers[name]);
    const old = socket;
    socket = null;
    if (old) {
      old.onmessage = old.onclose = null;
      old.close();
    }
  }

  function failed() {
    if (stopped) return;
    drop();
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures) * (0.75 + Math.random() / 2);
    failures += 1;
    later("connect", pause, connect);
    if (poll && failures >= 2 && !polling) {
      polling = true;
      pollOn();
    }
    if (!poll && failures >= 2) trouble(true);
  }

  async function final() {
    drop();
    if (poll) await ask(); // whoever still listens has not heard the end
    stop();
  }

  function gone() {
    if (stopped) return;
    stop();
    onGone();
  }

  async function pollOn() {
    const answered = await ask();
    if (polling && !stopped) later("poll", answered ? POLL_EVERY : POLL_EVERY * 1.5, pollOn);
  }

  /** Ask for the present frame; true if there was an answer. */
  async function ask() {
    if (asking) return true;
    const request = (asking = new AbortController());
    const limit = setTimeout(() => request.abort(), 8000);
    try {
      const answer = await fetch(poll, {
        headers: { Accept: "application/json" },
        credentials: "same-origin",
        cache: "no-store",
        signal: request.signal,
      });
      if (stopped) return true;
      if (GONE.includes(answer.status)) {
        gone();
        return true;
      }
      if (!answer.ok) throw new Error(`poll: ${answer.status}`);
      const frame = await answer.json();
      if (!stopped) take(frame);
      return true;
    } catch {
      if (!stopped && !heardLately()) trouble(true);
      return false;
    } finally {
      clearTimeout(limit);
      asking = null;
    }
  }

  function heardLately() {
    return socket !== null && heard && Date.now() - lastSign < FIRST_FRAME_WITHIN;
  }

  /** The socket looks open. Is it? If the server knows more than it told us, it is not. */
  async function check() {
    if (poll && document.visibilityState === "visible") {
      const known = lastMark;
      const sign = lastSign;
      const answered = await ask();
      if (stopped) return;
      if (!answered || (lastMark !== known && lastSign === sign)) {
        connect();
        return;
      }
    }
    if (socket) later("check", CHECK_EVERY, check);
  }

  function wake() {
    if (stopped || document.visibilityState !== "visible") return;
    if (socket && heard && Date.now() - lastSign < SILENCE) return;
    if (socket && !heard) return; // just being opened
    connect();
  }

  function online() {
    failures = 0;
    connect();
  }

  // A laptop that slept shows its page at once, and nothing tells the page so, except that its timers stood still.
  const watch = setInterval(() => {
    const slept = Date.now() - ticked > SILENCE;
    ticked = Date.now();
    if (slept) wake();
  }, 5000);

  function stop() {
    if (stopped) return;
    stopped = true;
    clearInterval(watch);
    drop();
    Object.values(timers).forEach(clearTimeout);
    if (asking) asking.abort();
    removeEventListener("online", online);
    document.removeEventListener("visibilitychange", wake);
  }

  addEventListener("online", online);
  document.addEventListener("visibilitychange", wake);
  connect();
  return stop;
}
