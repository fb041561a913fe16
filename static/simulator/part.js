// Takes a newly drawn part of the page over, leaving alone whatever is the same: what stays in place keeps its scroll
// position, its focus and what was typed, and a screen reader hears only what is new.

const drawn = new WeakMap(); // element -> its HTML as the server drew it, before anybody touched it

// Remember how a part was drawn; call it before people can open, type or tick anything in it.
export function note(part) {
  for (const child of part.children) drawn.set(child, child.outerHTML);
}

// Whether anything changed. `fresh` is the same part in another document.
export function take(part, fresh) {
  const old = [...part.children];
  const coming = [...fresh.children];
  if (old.length === coming.length && old.every((one, i) => drawn.get(one) === coming[i].outerHTML)) return false;
  const left = remember(part);
  let place = 0;
  for (const one of coming) {
    const found = old.findIndex((candidate, i) => i >= place && drawn.get(candidate) === one.outerHTML);
    if (found < 0) {
      const added = document.importNode(one, true);
      drawn.set(added, one.outerHTML);
      part.insertBefore(added, old[place] ?? null);
      continue;
    }
    old.slice(place, found).forEach((gone) => gone.remove());
    place = found + 1;
  }
  old.slice(place).forEach((gone) => gone.remove());
  putBack(part, left);
  return true;
}

// What people did to a part: what is typed, what is open, and where the focus is.
function remember(part) {
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  return {
    focus: active && name(active),
    range: active?.matches("input:not([type=url])") ? [active.selectionStart, active.selectionEnd] : null,
    typed: [...part.querySelectorAll("input[id]")].map((field) => [field.id, field.value, field.defaultValue]),
    open: [...part.querySelectorAll("details[open]")].map((one) => one.id),
  };
}

function putBack(part, { focus, range, typed, open }) {
  for (const [id, value, before] of typed) {
    const field = part.querySelector(`#${id}`);
    if (field && value !== before) field.value = value;
  }
  for (const id of open) part.querySelector(`#${id}`)?.setAttribute("open", "");
  if (!focus || part.contains(document.activeElement)) return;
  const again = [...part.querySelectorAll("a, button, input, summary")].find((one) => name(one) === focus);
  again?.focus({ preventScroll: true });
  if (range && again) again.setSelectionRange(...range);
}

function name(element) {
  return element.id || element.getAttribute("href") || `${element.tagName} ${element.name} ${element.value}`;
}
