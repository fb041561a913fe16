// The card's last notices: each frame of the socket is the whole list, and only what differs is touched.

/** Shows frames in the list `section`; what came of a notice is said once, politely. */
export function noticesIn(section) {
  const list = section.querySelector("[data-notices]");
  const blank = section.querySelector("template[data-row]").content.firstElementChild;
  const empty = section.querySelector("[data-no-notices]");
  const voice = section.querySelector("[data-said]");
  const known = new Map([...list.children].map((row) => [row.dataset.id, row]));

  function show(notices) {
    const rows = notices.map((notice) => {
      const row = known.get(notice.id) ?? blank.cloneNode(true);
      fill(row, notice);
      return row;
    });
    rows.forEach((row, place) => {
      if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
    });
    while (list.children.length > rows.length) list.lastElementChild.remove();
    known.clear();
    for (const row of rows) known.set(row.dataset.id, row);
    list.hidden = rows.length === 0;
    empty.hidden = rows.length > 0;
  }

  /** What is worth saying about the change from what is shown to `notices`: the newest that came to its end. */
  function news(notices) {
    return notices.find(({ id, state, said }) => said && known.get(id)?.dataset.state !== state)?.said ?? "";
  }

  return (notices) => {
    const said = news(notices);
    show(notices);
    if (said) voice.textContent = said;
  };
}

function fill(row, notice) {
  row.dataset.id = notice.id;
  if (row.dataset.state !== notice.state) {
    row.dataset.state = notice.state;
    row.querySelector("use").setAttribute("href", `#sign-${notice.state}`);
  }
  for (const part of row.querySelectorAll("[data-part]")) {
    const text = notice[part.dataset.part];
    if (part.textContent !== text) part.textContent = text;
    if (part.dataset.part === "why") part.hidden = !text;
    if (part.dataset.part === "when") part.dateTime = notice.at;
  }
}
