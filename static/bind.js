// The bind page lives: it shows what the live socket says, takes a new code when one ends, and becomes the card of the
// binding. Every sentence comes from the server, in the page or in a frame.

import { offerCopies } from "./copy.js";
import { listen } from "./live.js";
import { noticesIn } from "./notices.js";

const SHOW_SUCCESS = 1800; // ms before the server's own card takes the place of the tick
const FIRST_WAIT = 2000; // ms between two new codes, growing while they do not last
const LONGEST_WAIT = 60000;
const LASTED = 20000; // a code that stood so long is no sign of trouble
const OVERDUE = 3000; // ms after a code's time is up before the server is asked what became of it
const OPEN = ["waiting", "scanned"];

let main = document.querySelector("main[data-page=bind]");
let stop = () => {};
let deadline = 0;
let lifetime = 1;
let wait = FIRST_WAIT;
let renewedAt = 0;
let renewing = false;
let autoRenew = true; // not after the server said no: then it is the person's turn
let refreshing = false;
let refreshedAt = 0;
let refreshWait = 0;
let timer = 0;

const tabs = new BroadcastChannel("bind");
const find = (selector) => main.querySelector(selector);

function start() {
  stop();
  offerCopies(main);
  watchNotices();
  const { live, invite, state, expiresIn } = main.dataset;
  if (!live) return;
  lifetime = Math.max(1, Number(main.dataset.lifetime));
  deadline = Date.now() + 1000 * Number(expiresIn);
  find("[data-renew]").addEventListener("submit", (event) => {
    event.preventDefault();
    renew({ asked: true });
  });
  watchPicture();
  tick();
  if (OPEN.includes(state)) attend(live, invite);
  else if (state === "expired") renewSoon();
}

function attend(live, id) {
  stop();
  stop = listen(live, show, {
    poll: `/bind/invites/${encodeURIComponent(id)}`,
    onGone: refresh,
    onTrouble: (lost) => main.toggleAttribute("data-lost", lost),
  });
}

// The last notices of a bound account

function watchNotices() {
  const list = find("[data-notices]");
  if (!list) return;
  const show = noticesIn(list.parentElement);
  const here = main.dataset.reach;
  const { listen: path, poll } = list.dataset;
  stop = listen(
    path,
    ({ state, notices }) => {
      main.removeAttribute("data-lost");
      show(notices);
      // Left, blocked, back, or unbound on the phone: that is another card.
      if (state !== here) refresh();
    },
    { poll, mark: JSON.stringify, onGone: refresh, onTrouble: (lost) => main.toggleAttribute("data-lost", lost) },
  );
  find("[data-test-form]").addEventListener("submit", (event) => {
    event.preventDefault();
    sendTest(event.currentTarget);
  });
}

/** Send the form without leaving the page: the list says what becomes of the notice. */
async function sendTest(form) {
  if (form.getAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  const problem = form.querySelector("[data-test-problem]");
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
      credentials: "same-origin",
    });
    const said = await answer.json().catch(() => ({}));
    if (answer.status === 401 || (answer.status === 409 && main.dataset.reach === "bound")) refresh();
    problem.textContent = said.error?.message ?? "";
    if (!answer.ok && !said.error) form.submit(); // without a sentence for us: the page that it leads to has one
  } catch {
    main.toggleAttribute("data-lost", true);
  } finally {
    problem.hidden = !problem.textContent;
    form.removeAttribute("aria-busy");
  }
}

/** A picture that cannot be had is not to be had again at once: a fresh page may have the other route's. */
function watchPicture() {
  const picture = find("img[data-qr]");
  if (!picture) return;
  const failed = () => OPEN.includes(main.dataset.state) && main.contains(picture) && refresh();
  picture.addEventListener("error", failed);
  // Before this script was there? A drawing without a size of its own has no width either, so it is asked twice.
  if (picture.complete && picture.naturalWidth === 0) picture.decode().catch(failed);
}

// What a frame says

function show(frame) {
  main.removeAttribute("data-lost");
  const typing = "confirm" in main.dataset;
  if (OPEN.includes(frame.state) && typeof frame.confirm === "boolean" && frame.confirm !== typing) {
    refresh({ focus: frame.confirm ? "[data-code]" : "[data-heading]" });
    return;
  }
  if (Number.isFinite(frame.expires_in)) deadline = Date.now() + 1000 * frame.expires_in;
  showState(frame.state, frame.message);
  showNumber(frame.number);
  if (frame.state === "bound") succeed(frame.follower);
  else if (!OPEN.includes(frame.state)) stop();
  if (frame.state === "expired") renewSoon();
}

function showState(state, message) {
  main.dataset.state = state;
  // Said again only when it changes: a reader of the screen hears each thing once.
  if (message && find("[data-status]").textContent !== message) find("[data-status]").textContent = message;
  tick();
}

/** The steps of the way that the code goes: "scan" or "oauth". */
function showRoute(route) {
  main.dataset.route = route;
  for (const part of main.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== route;
}

function showNumber(number) {
  const { route, state } = main.dataset;
  // Where a scan alone binds, only a phone that opened the link instead shows a number.
  find("[data-match]").hidden = !number || (route === "scan" && state !== "scanned");
  for (const place of main.querySelectorAll("[data-number], [data-same-number]")) place.textContent = number || "";
}

function tick() {
  clearTimeout(timer);
  if (!OPEN.includes(main.dataset.state)) return;
  const left = Math.max(0, deadline - Date.now());
  const seconds = Math.ceil(left / 1000);
  find("[data-clock]").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  find("[data-ring]").setAttribute("stroke-dasharray", `${Math.min(100, left / lifetime / 10).toFixed(2)} 200`);
  if (left > 0) timer = setTimeout(tick, left % 1000 || 1000);
  else timer = setTimeout(() => attend(main.dataset.live, main.dataset.invite), OVERDUE);
}

async function succeed(follower) {
  stop();
  if (follower) {
    find("[data-follower-name]").textContent = follower.nickname || "";
    if (follower.avatar) find("[data-follower-avatar]").src = follower.avatar;
  }
  await new Promise((done) => setTimeout(done, SHOW_SUCCESS));
  refresh();
}

// A new code in the same place

function renewSoon() {
  if (!autoRenew || document.visibilityState !== "visible") return;
  if ("replacing" in main.dataset) return; // that takes the password again: the person decides
  if (Date.now() - renewedAt > LASTED) wait = FIRST_WAIT;
  clearTimeout(timer);
  timer = setTimeout(renew, Math.max(0, renewedAt + wait - Date.now()));
}

async function renew({ asked = false } = {}) {
  if (renewing || (!asked && main.dataset.state !== "expired")) return;
  renewing = true;
  renewedAt = Date.now();
  wait = Math.min(LONGEST_WAIT, wait * 2);
  const button = find("[data-renew] button");
  const box = find("[data-box]");
  const focused = document.activeElement === button;
  box.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch("/bind/invites", {
      method: "POST",
      headers: { Accept: "application/json", "X-XSRFToken": document.querySelector("input[name=_xsrf]").value },
      body: new URLSearchParams(asked ? { fresh: "1" } : {}),
      credentials: "same-origin",
    });
    const said = await answer.json().catch(() => ({}));
    if (answer.status === 201) {
      autoRenew = true;
      await swapCode(said);
      tabs.postMessage("new code");
      if (focused) find("[data-heading]").focus({ preventScroll: true });
      return;
    }
    if (answer.status === 401 || answer.status === 409 || "replacing" in main.dataset) {
      refresh();
      return;
    }
    autoRenew = answer.status >= 500;
    if (said.error) showState(main.dataset.state, said.error.message);
    else if (asked) find("[data-renew]").submit(); // without a sentence for us: the page that it leads to has one
  } catch {
    main.toggleAttribute("data-lost", true);
  } finally {
    renewing = false;
    box.removeAttribute("aria-busy");
  }
  if (main.dataset.state === "expired") renewSoon();
}

async function swapCode(invite) {
  const picture = find("img[data-qr]");
  if (picture) {
    const next = new Image();
    next.src = invite.qr;
    await next.decode().catch(() => {}); // the old one stays until the new one can be shown
    picture.src = invite.qr;
  }
  for (const link of main.querySelectorAll("[data-link]")) {
    if (link.textContent.trim() === link.getAttribute("href")) link.textContent = invite.link;
    link.href = invite.link;
  }
  followPhone(invite.url);
  const hidden = find("input[name=id]");
  if (hidden) hidden.value = invite.id;
  Object.assign(main.dataset, { invite: invite.id, live: invite.live });
  lifetime = Math.max(1, invite.expires_in);
  deadline = Date.now() + 1000 * invite.expires_in;
  main.removeAttribute("data-lost");
  showRoute(invite.route);
  showState("waiting", invite.message);
  showNumber(invite.number);
  attend(invite.live, invite.id);
}

/** The virtual phone's address carries what the code holds. */
function followPhone(url) {
  const phone = find("[data-demo-phone]");
  if (!phone) return;
  const address = new URL(phone.href);
  for (const [name, value] of address.searchParams) {
    if (value.includes("://")) address.searchParams.set(name, url);
  }
  phone.href = address.href;
}

// The server's own page in place of ours

async function refresh({ focus = "[data-heading]" } = {}) {
  if (refreshing) return;
  refreshing = true;
  stop();
  clearTimeout(timer);
  // Whatever the server says, never round and round.
  refreshWait = Date.now() - refreshedAt > LASTED ? 0 : Math.min(LONGEST_WAIT, refreshWait * 2 || FIRST_WAIT / 2);
  try {
    await new Promise((done) => setTimeout(done, refreshWait));
    refreshedAt = Date.now();
    for (let pause = 1000; ; pause = Math.min(15000, pause * 2)) {
      const fresh = await fetchMain();
      if (fresh) {
        swapMain(fresh, focus);
        return;
      }
      await new Promise((done) => setTimeout(done, pause));
    }
  } finally {
    refreshing = false;
  }
}

/** `<main>` of a fresh page, null if it could not be had this time; elsewhere (say, to log in) the browser goes itself. */
async function fetchMain() {
  let answer;
  try {
    answer = await fetch("/bind", { headers: { Accept: "text/html" }, credentials: "same-origin", cache: "no-store" });
    if (answer.status >= 500 || answer.status === 429) return null;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main[data-page=bind]");
    if (fresh) return fresh;
  } catch {
    return null;
  }
  location.reload();
  return new Promise(() => {}); // the page ends here
}

function swapMain(fresh, focus) {
  const held = main.contains(document.activeElement) && document.activeElement !== main;
  for (const name of main.getAttributeNames()) main.removeAttribute(name);
  for (const name of fresh.getAttributeNames()) main.setAttribute(name, fresh.getAttribute(name));
  main.replaceChildren(...document.adoptNode(fresh).childNodes);
  start();
  // Whoever was in here goes on from the top of it; whoever waits to type the code types it.
  if (held || focus !== "[data-heading]") find(focus)?.focus({ preventScroll: true });
}

// Another tab took a new code, or the phone ended the binding: a page that no longer listens asks again.
function catchUp() {
  if (document.visibilityState !== "visible" || renewing || refreshing) return;
  const { state } = main.dataset;
  const typing = [...main.querySelectorAll("input:not([type=hidden], [hidden])")].some((field) => field.value);
  if (state === "expired") renewSoon();
  else if (!OPEN.includes(state) && !typing && !find("details[open]")) refresh();
}

document.addEventListener("visibilitychange", catchUp);
tabs.onmessage = catchUp;
addEventListener("pagehide", (event) => {
  if (event.persisted) stop(); // a page that is kept for the way back must not stay connected
});
addEventListener("pageshow", (event) => {
  if (event.persisted) refresh();
});
start();
