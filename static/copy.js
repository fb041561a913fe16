// Buttons that copy a link: <button data-copy="selector of the link" data-copied="Copied" hidden>. Hidden without a script.

export function offerCopies(root = document) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    if (button.dataset.label) continue; // offered before
    button.dataset.label = button.textContent;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  const link = [...document.querySelectorAll(button.dataset.copy)].find((one) => one.textContent.includes("://"));
  if (!link) return;
  try {
    await navigator.clipboard.writeText(link.textContent.trim());
  } catch {
    // No clipboard on plain http: take the old way.
    getSelection().selectAllChildren(link);
    if (!document.execCommand("copy")) return; // it is selected at least
  }
  button.textContent = button.dataset.copied;
  setTimeout(() => (button.textContent = button.dataset.label), 2500);
}

offerCopies();
