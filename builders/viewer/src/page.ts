// The still parts of the page: how the photos are shown, and pictures at full size.

/** "Side by side", "Overlay", "Photo": a class on the section does the rest. */
export function wirePhotoModes(): void {
  for (const input of document.querySelectorAll<HTMLInputElement>("input[name=photo-mode]")) {
    input.addEventListener("change", () => {
      const section = input.closest<HTMLElement>("section");
      if (section && input.checked) section.dataset.mode = input.value;
    });
  }
}

/** A click on a picture opens it at full size; Escape or a click closes it. */
export function wireLightbox(): void {
  const dialog = document.querySelector<HTMLDialogElement>("#lightbox");
  const large = dialog?.querySelector("img");
  const caption = dialog?.querySelector("p");
  if (!dialog || !large || !caption || typeof dialog.showModal !== "function") return;
  for (const button of document.querySelectorAll<HTMLButtonElement>("button.enlarge")) {
    button.addEventListener("click", () => {
      const image = button.querySelector("img");
      if (!image) return;
      large.src = image.src;
      large.alt = image.alt;
      large.className = image.className;
      caption.textContent = image.alt;
      dialog.showModal();
    });
  }
  dialog.addEventListener("click", () => dialog.close());
}
