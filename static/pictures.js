// The page of pictures inside WeChat: it asks WeChat's own script for pictures, hands them over one by one, and shows what is
// kept. Every sentence comes from the server, in the page or in an answer.

const NEEDED = ["chooseImage", "uploadImage"];
const AT_A_TIME = 9; // pictures, the most that WeChat lets people pick
const GRACE = 2000; // ms in which a second configuration may be refused
const FOR_ALL = [401, 409, 429]; // of the server's refusals: signed out, full, too many; the next picture would meet the same
const PATIENCE = 20000; // ms for WeChat's script to load, and for what it says of this page

const main = document.querySelector("main[data-page=pictures]");
const find = (selector) => main.querySelector(selector);
const button = find("[data-choose]");
const again = find("[data-again]");
const bar = find("[data-bar]");
const gallery = find("[data-gallery]");
let busy = false;
let configurations = 0;

const word = (name, values = {}) =>
  find(`[data-word=${name}]`).textContent.replace(/\{(\w+)\}/g, (_, value) => String(values[value] ?? ""));

/** A trouble that has a sentence for the person; `status` is that of the server's answer, if it was one. */
class Trouble extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

function say(text) {
  find("[data-status]").textContent = text;
}

const sentence = (error) => (error instanceof Trouble ? error.message : word("lost"));

function complain(error, before = "") {
  find("[data-trouble-text]").textContent = before + sentence(error);
  find("[data-trouble]").hidden = false;
}

function calm() {
  find("[data-trouble]").hidden = true;
  find("[data-trouble-text]").textContent = "";
}

// Getting ready

async function setUp() {
  calm();
  again.hidden = true;
  say(word("connecting"));
  try {
    const [config] = await Promise.all([signature(), script(main.dataset.sdk)]);
    // What the server signs with may be over before its time; it hears of that only from here.
    await configured(config).catch(async (error) => {
      if (error.message !== word("signature")) throw error;
      await configured(await signature("&again=1"));
    });
  } catch (error) {
    say("");
    complain(error);
    again.hidden = false;
    return;
  }
  say(word("ready"));
  main.dataset.ready = "";
  mayChoose();
}

async function signature(more = "") {
  const page = location.href.split("#")[0];
  const answer = await fetch(`/js-config?url=${encodeURIComponent(page)}${more}`, {
    headers: { Accept: "application/json" },
    credentials: "same-origin",
    cache: "no-store",
  });
  return told(answer);
}

/** An answer's JSON; where it is a refusal, its sentence becomes the trouble. */
async function told(answer) {
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Trouble(said.error?.message ?? word("lost"), answer.status);
  return said;
}

function script(address) {
  if (globalThis.wx?.config) return Promise.resolve();
  return inTime("script", (done, failed) => {
    const element = document.createElement("script");
    element.src = address;
    element.addEventListener("load", () => (globalThis.wx?.config ? done() : failed(new Trouble(word("script")))));
    element.addEventListener("error", () => {
      element.remove();
      failed(new Trouble(word("script")));
    });
    document.head.append(element);
  });
}

function configured({ appId, timestamp, nonceStr, signature }) {
  return inTime("config", (done, failed) => {
    wx.error(({ errMsg = "" } = {}) => failed(new Trouble(word(reason(errMsg)))));
    wx.config({ debug: false, appId, timestamp, nonceStr, signature, jsApiList: NEEDED });
    // After the first one, whatever came of it, WeChat's script calls back at once: only an error tells anything then.
    const grace = configurations++ ? GRACE : 0;
    wx.ready(() => setTimeout(done, grace));
  });
}

function reason(errMsg) {
  if (errMsg.includes("signature")) return "signature";
  if (errMsg.includes("domain")) return "domain";
  if (errMsg.includes("permission")) return "right";
  return "config";
}

function inTime(name, work) {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Trouble(word(name))), PATIENCE);
    const end = (act) => (value) => {
      clearTimeout(timer);
      act(value);
    };
    work(end(done), end(failed));
  });
}

// Picking and sending

async function choose() {
  if (busy) return;
  busy = true;
  calm();
  button.setAttribute("aria-disabled", "true");
  let sent = 0;
  try {
    const chosen = await picked();
    let trouble = null;
    bar.max = Math.max(1, chosen.length);
    for (const [place, localId] of chosen.entries()) {
      bar.value = place;
      bar.hidden = false;
      say(word("sending", { number: place + 1, all: chosen.length }));
      try {
        show(await keep(await uploaded(localId)));
        sent += 1;
      } catch (error) {
        trouble ??= error;
        if (FOR_ALL.includes(error.status)) break;
      }
    }
    if (trouble) {
      const failed = word("failed", { number: chosen.length - sent, all: chosen.length });
      complain(trouble, chosen.length > 1 ? `${failed} ` : "");
    }
  } catch (error) {
    complain(error);
  } finally {
    busy = false;
    bar.hidden = true;
    button.removeAttribute("aria-disabled");
    say(sent ? word("sent", { number: sent }) : word("ready"));
    mayChoose();
  }
}

const picked = () =>
  new Promise((done, failed) => {
    wx.chooseImage({
      count: Math.max(1, Math.min(AT_A_TIME, Number(main.dataset.most) - gallery.children.length)),
      sizeType: ["compressed"],
      sourceType: ["album", "camera"],
      success: ({ localIds = [] }) => done([...localIds]),
      cancel: () => done([]),
      fail: ({ errMsg = "" } = {}) => failed(new Trouble(word(errMsg.includes("permission") ? "right" : "choose"))),
    });
  });

const uploaded = (localId) =>
  new Promise((done, failed) => {
    wx.uploadImage({
      localId,
      isShowProgressTips: 0,
      success: ({ serverId }) => done(serverId),
      cancel: () => failed(new Trouble(word("upload"))),
      fail: ({ errMsg = "" } = {}) => failed(new Trouble(word(errMsg.includes("permission") ? "right" : "upload"))),
    });
  });

async function keep(mediaId) {
  return told(await post("/pictures", { media_id: mediaId }));
}

function post(address, fields) {
  return fetch(address, {
    method: "POST",
    headers: { Accept: "application/json", "X-XSRFToken": document.querySelector("input[name=_xsrf]").value },
    body: new URLSearchParams(fields),
    credentials: "same-origin",
  });
}

// What is kept

function show({ id, url, when, alt }) {
  if (gallery.querySelector(`[data-id="${id}"]`)) return; // sent before
  const row = find("template[data-row]").content.firstElementChild.cloneNode(true);
  row.dataset.id = id;
  Object.assign(row.querySelector("img"), { alt, src: url });
  row.querySelector(".picture-when").textContent = when;
  row.querySelector("form").setAttribute("action", `${url}/remove`);
  gallery.prepend(row);
  counted();
}

function counted() {
  gallery.hidden = gallery.children.length === 0;
  find("[data-empty]").hidden = gallery.children.length > 0;
  main.toggleAttribute("data-full", gallery.children.length >= Number(main.dataset.most));
  mayChoose();
}

function mayChoose() {
  button.disabled = !("ready" in main.dataset) || "full" in main.dataset;
}

async function remove(form) {
  if (form.getAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  calm();
  const row = form.closest("[data-id]");
  try {
    const answer = await post(form.getAttribute("action"), {});
    if (answer.status !== 404) await told(answer); // gone already is gone
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    counted();
    say(word("removed"));
    (next?.querySelector("summary") ?? find("[data-kept-title]")).focus();
  } catch (error) {
    complain(error);
    form.removeAttribute("aria-busy");
  }
}

button.addEventListener("click", choose);
again.querySelector("button").addEventListener("click", setUp);
gallery.addEventListener("submit", (event) => {
  event.preventDefault();
  remove(event.target);
});
setUp();
