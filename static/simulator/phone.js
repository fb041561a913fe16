// A drawn phone: keeps the page as the server would draw it now.
import { inPlace, popups, scroller } from "./chat.js";
import { keepTime } from "./clock.js";
import { note, take } from "./part.js";
import { readPictures } from "./scan.js";

const LONGEST_PAUSE = 10000; // milliseconds between two tries to reach the simulator

let chat = null;
let typed = ""; // a half-written message, while the foot shows something else

// Take over the parts of a page that are different. `url`: where the person is now; `own`: they sent something; `moved`:
// they went to another foot, and the focus goes with them.
function show(text, { url = null, own = false, moved = false } = {}) {
  const page = new DOMParser().parseFromString(text, "text/html");
  if (url) history.replaceState(null, "", url);
  const field = () => document.querySelector("#message");
  typed = field()?.value ?? typed;
  const wasAtEnd = chat?.atEnd();
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!fresh || !take(part, fresh)) continue;
    if ("scroll" in part.dataset) chat.grown(wasAtEnd, own);
  }
  if (field() && !field().value) field().value = typed;
  if (moved) document.querySelector(".foot [autofocus], .tiles a, .sheet button, .menu button")?.focus();
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { "X-Simulator-Refresh": "1" } });
  if (answer.ok) show(await answer.text());
}

// One refresh at a time; what changes meanwhile makes one more.
function refresher() {
  let busy = false;
  let again = false;
  return async () => {
    again = true;
    if (busy) return;
    busy = true;
    while (again) {
      again = false;
      await refresh().catch(() => {});
    }
    busy = false;
  };
}

function listen(path, changed) {
  let version = null;
  let pause = 500;
  const open = () => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${path}`);
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      pause = 500;
      if (frame.version !== version) changed();
      version = frame.version;
    };
    socket.onclose = () => {
      setTimeout(open, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    };
  };
  open();
}

// The bar above a page of the web shows the page's own title.
function showTitle(frame, title) {
  const host = title.textContent;
  const take = () => {
    title.textContent = frame.contentDocument?.title || host;
  };
  frame.addEventListener("load", take);
  take();
}

document.querySelectorAll("[data-part]").forEach(note);
const frame = document.querySelector("[data-frame]");
if (frame) showTitle(frame, document.querySelector("[data-title]"));
const messages = document.querySelector("[data-scroll]");
if (messages) {
  chat = scroller(messages, document.querySelector("[data-newer]"));
  inPlace(show);
  popups();
}
const finder = document.querySelector("[data-drop]");
if (finder) readPictures(finder);
keepTime(document.querySelector("[data-clock]"));
listen(document.body.dataset.live, refresher());
