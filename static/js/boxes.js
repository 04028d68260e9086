// Filters of several values, loaded when the first is opened: typing narrows the boxes, the arrows go through them, and the
// foot counts what is ticked.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

function narrowBoxes(menu, text) {
  const wanted = text.trim().toLowerCase();
  for (const label of $$("fieldset label", menu)) label.hidden = !label.textContent.toLowerCase().includes(wanted);
  for (const group of $$("fieldset", menu)) group.hidden = !$("label:not([hidden])", group);
  $("[data-none]", menu).hidden = Boolean($("fieldset:not([hidden])", menu));
}

function countBoxes(menu) {
  const words = $("[data-selected]", menu);
  words.textContent = `${$$("input:checked", menu).length} ${words.dataset.selected}`;
}

const several = (event) => event.target.closest?.("[data-several]");
document.addEventListener("input", (event) => {
  if (event.target.matches("[data-find]")) narrowBoxes(several(event), event.target.value);
});
document.addEventListener("change", (event) => several(event) && countBoxes(several(event)));
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-untick]")) return;
  for (const box of $$("input:checked", several(event))) box.checked = false;
  countBoxes(several(event));
});
export const start = (menu) => $("[data-find]", menu)?.focus();
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const menu = several(event);
  if (!menu || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.matches("input[type='checkbox']")) {
    event.preventDefault();
    event.target.form.requestSubmit();
  } else if (step) {
    event.preventDefault();
    const stops = $$("[data-find], fieldset:not([hidden]) label:not([hidden]) input", menu);
    (stops[stops.indexOf(event.target) + step] ?? event.target).focus();
  }
});

