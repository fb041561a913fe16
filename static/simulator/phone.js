// A drawn phone: keeps the page as the server would draw it now.
import { keepTime } from "./clock.js";
import { readPictures } from "./scan.js";

const LONGEST_PAUSE = 10000; // milliseconds between two tries to reach the simulator

// Fetch the page again and take over the parts that are different.
async function refresh() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const drawn = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = drawn.querySelector(`[data-part="${part.dataset.part}"]`);
    if (fresh && fresh.innerHTML !== part.innerHTML) {
      part.replaceChildren(...document.importNode(fresh, true).childNodes);
      scrollDown(part);
    }
  }
}

function scrollDown(part) {
  if ("scroll" in part.dataset) part.scrollTop = part.scrollHeight;
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

const frame = document.querySelector("[data-frame]");
if (frame) showTitle(frame, document.querySelector("[data-title]"));
document.querySelectorAll("[data-scroll]").forEach(scrollDown);
const finder = document.querySelector("[data-drop]");
if (finder) readPictures(finder);
keepTime(document.querySelector("[data-clock]"));
listen(document.body.dataset.live, refresher());
