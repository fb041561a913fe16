// The chat: sends without leaving the page, stays at the end while one is there, and closes what was opened.

const NEAR = 60; // pixels from the end of the chat that still count as its end

// The list of messages. `atEnd` before a change tells what to do after it.
export function scroller(chat, newer) {
  const atEnd = () => chat.scrollHeight - chat.scrollTop - chat.clientHeight < NEAR;
  const down = () => {
    chat.scrollTop = chat.scrollHeight;
    newer.hidden = true;
  };
  chat.addEventListener("scroll", () => {
    if (atEnd()) newer.hidden = true;
  });
  newer.addEventListener("click", () => {
    down();
    chat.focus({ preventScroll: true });
  });
  // The foot grows and shrinks; who reads the last message goes on seeing it.
  let held = true;
  chat.addEventListener("scroll", () => (held = atEnd()));
  new ResizeObserver(() => held && down()).observe(chat);
  down();
  return {
    atEnd,
    // `own`: the person has just sent it, and wants to see it.
    grown: (wasAtEnd, own) => (wasAtEnd || own ? down() : (newer.hidden = false)),
  };
}

// Links that change the foot, and forms that send, answer in place; `show` takes a page over.
export function inPlace(show) {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const answer = await fetch(link.href, { headers: { "X-Simulator-Refresh": "1" } }).catch(() => null);
    if (answer?.ok) show(await answer.text(), { url: answer.url, moved: true });
    else location.assign(link.href);
  });
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!("send" in form.dataset)) return;
    event.preventDefault();
    if (form.hasAttribute("aria-busy")) return; // a double press sends once
    form.setAttribute("aria-busy", "true");
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.action, { method: "POST", body }).catch(() => null);
    form.removeAttribute("aria-busy");
    if (!answer) return;
    // A button of the menu that opens a page.
    if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
      location.assign(answer.url);
      return;
    }
    if (answer.ok) form.reset();
    closePopups();
    const url = answer.redirected ? answer.url : null;
    show(await answer.text(), { url, own: answer.ok, moved: form.matches(".sheet") });
  });
}

// Menus above the foot's buttons close like WeChat's: by a tap elsewhere, or by Escape.
export function popups() {
  document.addEventListener("click", (event) => {
    for (const one of opened()) if (!one.contains(event.target)) one.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const [one] = opened();
    if (!one) return;
    const ways = { Escape: () => [one.querySelector("summary"), (one.open = false)][0], ArrowUp: -1, ArrowDown: 1 };
    const way = ways[event.key];
    if (way === undefined) return;
    event.preventDefault();
    (typeof way === "function" ? way() : neighbour(one, way)).focus();
  });
}

function neighbour(popup, step) {
  const buttons = [...popup.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  if (at < 0) return step > 0 ? buttons[0] : buttons.at(-1);
  return buttons[(at + step + buttons.length) % buttons.length];
}

function opened() {
  return document.querySelectorAll("[data-popup][open]");
}

function closePopups() {
  for (const one of opened()) one.open = false;
}
