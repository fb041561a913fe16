// Reads the link out of a picture of a code, where the browser can.
async function decode(picture) {
  const [code] = await new BarcodeDetector({ formats: ["qr_code"] }).detect(
    await createImageBitmap(picture),
  );
  return code?.rawValue ?? "";
}

export function readPictures(finder) {
  const hint = finder.querySelector("[data-hint]");
  const take = async (picture) => {
    if (!picture) return;
    if (!("BarcodeDetector" in window)) {
      hint.textContent = finder.dataset.none;
      return;
    }
    const link = await decode(picture).catch(() => "");
    if (!link) {
      hint.textContent = finder.dataset.empty;
      return;
    }
    const form = document.querySelector("form.paste");
    form.elements.url.value = link;
    form.requestSubmit();
  };
  finder.querySelector("[data-picture]").addEventListener("change", ({ target }) => {
    take(target.files[0]);
  });
  finder.addEventListener("dragover", (event) => {
    event.preventDefault();
    finder.classList.add("over");
  });
  finder.addEventListener("dragleave", () => finder.classList.remove("over"));
  finder.addEventListener("drop", (event) => {
    event.preventDefault();
    finder.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
}
