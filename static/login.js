// The code beside the login form: asked for when it is in sight, followed live, and once the phone has said yes, this
// browser goes in by a form of its own. Every sentence comes from the server, in the page or in a frame.

import { listen } from "./live.js";

const RENEWALS = 5; // new codes that the page takes by itself
const PAUSE = 500; // ms before each of them
const OTHER_TAB = 1000; // ms that a page out of sight leaves to one in sight
const OPEN = ["waiting", "scanned", "confirmed"];

const scan = document.querySelector("[data-scan]");
const find = (selector) => scan.querySelector(selector);
const wish = document.querySelector("input[name=to]"); // the page to lead on to
const wide = matchMedia("(min-width: 56rem)");
let stop = () => {};
let asking = false;
let renewals = 0;
let entering = false;
let waitsInSight = false; // an ended code is renewed once the page is in sight

function start() {
  scan.hidden = false;
  find("[data-renew]").addEventListener("click", () => ask({ byHand: true }));
  find("[data-another]").addEventListener("click", () => ask({ byHand: true, fresh: true }));
  scan.addEventListener("toggle", begin);
  wide.addEventListener("change", fold);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    if (waitsInSight) renew();
    else begin();
  });
  addEventListener("pagehide", (event) => {
    if (event.persisted) stop(); // a page that is kept for the way back must not stay connected
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) startAgain();
  });
  fold();
}

/** Beside the form the code is always there; below it, on a phone's screen, it waits to be unfolded. */
function fold() {
  scan.open = wide.matches || OPEN.includes(scan.dataset.state);
  find("summary").tabIndex = wide.matches ? -1 : 0;
  begin();
}

function begin() {
  if (scan.open && scan.dataset.state === "none" && document.visibilityState === "visible") ask();
}

async function ask({ byHand = false, fresh = false } = {}) {
  if (asking || entering) return;
  asking = true;
  waitsInSight = false;
  stop();
  if (byHand) renewals = 0;
  find("[data-box]").setAttribute("aria-busy", "true");
  try {
    let answer = await post(fresh);
    if (answer.status === 403) {
      await renewToken();
      answer = await post(fresh);
    }
    const said = await answer.json().catch(() => ({}));
    if (answer.status === 201) await show(said);
    else if (answer.status === 409) startAgain(); // another tab has signed in
    else if (answer.status === 404) scan.hidden = true; // nobody is bound any more
    else set("failed", said.error?.message ?? "");
  } catch {
    set("failed", "");
    scan.toggleAttribute("data-lost", true);
  } finally {
    asking = false;
    find("[data-box]").removeAttribute("aria-busy");
  }
}

function post(fresh) {
  return fetch("/login/codes", {
    method: "POST",
    headers: { Accept: "application/json", "X-XSRFToken": document.querySelector("input[name=_xsrf]").value },
    body: new URLSearchParams(fresh ? { fresh: "1" } : {}),
    credentials: "same-origin",
  });
}

/** This page's token is an old one once another tab has signed in or out. Whatever page comes has today's. */
async function renewToken() {
  const answer = await fetch("/login", { headers: { Accept: "text/html" }, credentials: "same-origin", cache: "no-store" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const token = page.querySelector("input[name=_xsrf]")?.value;
  if (token) for (const field of document.querySelectorAll("input[name=_xsrf]")) field.value = token;
}

async function show(code) {
  const next = new Image();
  next.src = code.qr;
  await next.decode().catch(() => {}); // the old one stays until the new one can be shown
  const picture = find("[data-qr]");
  picture.src = code.qr;
  picture.hidden = false;
  const phone = find("[data-demo-phone]");
  phone.hidden = !code.demo_phone;
  if (code.demo_phone) phone.href = code.demo_phone;
  const focused = scan.contains(document.activeElement);
  take(code, code.id);
  if (focused && !wide.matches) find("summary").focus({ preventScroll: true });
  if (!OPEN.includes(scan.dataset.state) || entering) return;
  stop = listen(code.live, (frame) => take(frame, code.id), {
    poll: `/login/codes/${encodeURIComponent(code.id)}`,
    onGone: renew,
    onTrouble: (lost) => scan.toggleAttribute("data-lost", lost),
  });
}

function take({ state, number, message }, id) {
  scan.removeAttribute("data-lost");
  find("[data-number]").textContent = number;
  set(state, message);
  if (state === "confirmed") enterSoon(id);
  else if (state === "entered") follow();
  else if (!OPEN.includes(state)) stop();
  if (state === "expired") renew();
}

function set(state, message) {
  scan.dataset.state = state;
  // Said again only when it changes: a reader of the screen hears each thing once.
  if (find("[data-status]").textContent !== message) find("[data-status]").textContent = message;
}

function renew() {
  stop();
  if (!OPEN.includes(scan.dataset.state) && scan.dataset.state !== "expired") return;
  set("expired", find("[data-status]").textContent);
  if (renewals >= RENEWALS) return; // nobody is there: the button stays
  waitsInSight = document.visibilityState !== "visible" || !scan.open;
  if (waitsInSight) return;
  renewals += 1;
  setTimeout(ask, PAUSE);
}

// The way in

/** Of several tabs with the same code, the one in sight goes in; the others follow. */
function enterSoon(id) {
  if (entering) return;
  if (document.visibilityState === "visible") enter(id);
  else setTimeout(() => enter(id), OTHER_TAB);
}

function enter(id) {
  if (entering || scan.dataset.state !== "confirmed") return;
  entering = true;
  stop();
  const form = find("[data-enter]");
  form.append(wish.cloneNode());
  form.action = `/login/codes/${encodeURIComponent(id)}/enter`;
  const submit = () => renewToken().catch(() => {}).then(() => form.submit());
  if (!navigator.locks) {
    submit();
    return;
  }
  // Two tabs in sight hear the yes at once. The lock is held until this page is gone.
  navigator.locks.request("enter", { ifAvailable: true }, (lock) => {
    if (!lock) {
      setTimeout(startAgain, OTHER_TAB);
      return null;
    }
    submit();
    return new Promise(() => {});
  });
}

/** Another tab went in: this browser is signed in here too. */
function follow() {
  if (entering) return;
  entering = true;
  stop();
  startAgain();
}

/** Not by a reload: the page may be the answer to a form. */
function startAgain() {
  location.assign(`/login?to=${encodeURIComponent(wish.value)}`);
}

start();
