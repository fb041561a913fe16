// The chat: sends without leaving the page, stays at the end while one is there, and closes what was opened.

const NEAR = 60; // pixels from the end of the chat that still count as its end
const TRIES = 5; // to get a page that no other answer has overtaken
export const REFRESH = { headers: { "X-Simulator-Refresh": "1" } }; // nobody opened the chat: it only looks again

// The messages' scroll position. The box is laid out from its end, where scrollTop is 0; it is negative above.
export function scroller(box, newer) {
  const atEnd = () => box.scrollTop > -NEAR;
  const down = () => {
    box.scrollTop = 0;
    newer.hidden = true;
  };
  box.addEventListener("scroll", () => {
    if (atEnd()) newer.hidden = true;
  });
  newer.addEventListener("click", () => {
    down();
    box.focus({ preventScroll: true });
  });
  return {
    down,
    // Whoever reads further up goes on reading there while `change` makes the list longer.
    around(change) {
      const ended = atEnd();
      const top = box.scrollTop + box.scrollHeight;
      if (!change()) return;
      if (ended) return down();
      box.scrollTop = top - box.scrollHeight;
      newer.hidden = false;
    },
  };
}

// Links that change the foot, and forms that send, answer in place; `show` takes a page over.
export function inPlace(show) {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (!(await swap(link.href, show, { moved: true }))) location.assign(link.href);
  });
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!("send" in form.dataset)) return;
    event.preventDefault();
    if (form.ariaBusy) return; // a double press sends once
    form.ariaBusy = "true";
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.action, { method: "POST", body }).catch(() => null);
    form.ariaBusy = null;
    if (!answer) return;
    // A button of the menu that opens a page.
    if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
      location.assign(answer.url);
      return;
    }
    if (answer.ok && form.matches(".write")) form.elements.text.value = "";
    for (const popup of opened()) popup.open = false;
    if (!answer.ok) {
      show(await answer.text(), { only: "foot" });
      return;
    }
    const how = { url: answer.url, own: true, moved: form.matches(".sheet") };
    // Something may have changed between this answer and now: then it is asked for again.
    if (!show(await answer.text(), how)) await swap(answer.url, show, how);
  });
}

// Take the page at an address over, as it is now; whether that worked.
async function swap(url, show, how) {
  for (let tries = 0; tries < TRIES; tries++) {
    const answer = await fetch(url, REFRESH).catch(() => null);
    if (!answer?.ok) return false;
    if (show(await answer.text(), { ...how, url })) return true;
  }
  return false;
}

// Menus above the foot's buttons close like WeChat's, by a tap elsewhere or by Escape; arrows walk through them.
export function popups() {
  document.addEventListener("click", (event) => {
    for (const popup of opened()) if (!popup.contains(event.target)) popup.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const [popup] = opened();
    if (!popup || !["Escape", "ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Escape") {
      popup.open = false;
      popup.querySelector("summary").focus();
      return;
    }
    const buttons = [...popup.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const next = event.key === "ArrowDown" ? at + 1 : Math.max(at, 0) - 1;
    buttons.at(next % buttons.length).focus();
  });
}

function opened() {
  return document.querySelectorAll("[data-popup][open]");
}
