// A drawn phone: keeps the page as the server would draw it now.
import { REFRESH, inPlace, popups, scroller } from "./chat.js";
import { keepTime } from "./clock.js";
import { note, take } from "./part.js";
import { readPictures } from "./scan.js";

const LONGEST_PAUSE = 10000; // milliseconds between two tries to reach the simulator
// Where the focus goes in a foot that was just opened.
const FIRST = ".foot [autofocus], .tiles a, .sheet button, .buttons > li > button, .buttons summary";

let chat = { around: (change) => change(), down() {} };
let typed = ""; // a half-written message, while the foot shows something else
let version = Number(document.body.dataset.version); // of what is shown

// Take over the parts of a page that are different; false if a later page was taken over already. `url`: where the person
// is now; `own`: they sent something; `moved`: they went to another foot, and the focus goes with them; `only`: the one
// part that counts, which is right whenever it comes.
function show(text, { url = null, own = false, moved = false, only = null } = {}) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const its = Number(page.body.dataset.version);
  if (Number.isNaN(its)) return true; // no phone at all
  if (!only && its < version) return false;
  version = Math.max(version, its);
  if (url) history.replaceState(null, "", url);
  const field = () => document.querySelector("#message");
  typed = field()?.value ?? typed;
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!fresh || (only && only !== part.dataset.part)) continue;
    if (part.dataset.part === "chat") chat.around(() => take(part, fresh));
    else take(part, fresh);
  }
  if (field() && !field().value) field().value = typed;
  if (own) chat.down();
  if (moved) document.querySelector(FIRST)?.focus();
  return true;
}

async function refresh() {
  const here = location.href;
  const answer = await fetch(here, REFRESH);
  const text = await answer.text();
  if (location.href !== here) return refresh(); // they went to another foot meanwhile
  if (answer.ok) show(text);
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
  let pause = 500;
  const open = () => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${path}`);
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      pause = 500;
      if (frame.version !== version) changed();
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

// A page may close its own window (wx.closeWindow): the person is back in the chat.
function closeOnWish(frame) {
  addEventListener("message", ({ source, data }) => {
    const back = location.pathname.replace(/browser$/, "chat");
    if (source === frame.contentWindow && data?.simulator === "close") location.assign(back);
  });
}

document.querySelectorAll("[data-part]").forEach(note);
const frame = document.querySelector("[data-frame]");
if (frame) {
  showTitle(frame, document.querySelector("[data-title]"));
  closeOnWish(frame);
}
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
