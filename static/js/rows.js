// Rows of a list, loaded with the first key or click that is for them: j and k move, x ticks the row in focus, Shift ticks
// all since the last one, Escape clears.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const rowLinks = () => $$("table.lines tbody a.name");
const rowBoxes = () => $$("[data-rows] tbody input[type='checkbox']");
let lastBox = null;

function countTicked() {
  for (const count of $$("[data-ticked]")) {
    const form = count.closest("form");
    const boxes = $$("tbody input[type='checkbox']", form);
    const ticked = boxes.filter((each) => each.checked).length;
    count.textContent = $("[name='all']", form)?.checked ? count.dataset.all : ticked;
    for (const box of $$("[data-check-all]", form)) {
      box.checked = ticked > 0 && ticked === boxes.length;
      box.indeterminate = ticked > 0 && !box.checked;
    }
  }
}

export function untickRows() {
  for (const box of $$("[data-rows] :checked")) box.checked = false;
  countTicked();
}

export function turn(box, isRange) {
  box.checked = !box.checked;
  tickUpTo(box, isRange);
}

function tickUpTo(box, isRange) {
  const [boxes, from] = [rowBoxes(), document.getElementById("rows")?.contains(lastBox) ? lastBox : box];
  const [start, end] = [boxes.indexOf(from), boxes.indexOf(box)].sort((a, b) => a - b);
  if (isRange) for (const each of boxes.slice(start, end + 1)) each.checked = box.checked;
  lastBox = box;
  if ($("[data-rows] [name='all']")) $("[data-rows] [name='all']").checked = false;
  countTicked();
}

export function moveToRow(step) {
  const links = rowLinks();
  const here = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  const target = here < 0 ? links.at(step > 0 ? 0 : -1) : links[here + step];
  target?.focus();
  target?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("change", countTicked);
countTicked();
document.addEventListener("reset", ({ target }) => target.matches("[data-rows]") && setTimeout(untickRows));
document.addEventListener("htmx:afterSwap", countTicked);

export function clicked(event) {
  if (rowBoxes().includes(event.target)) tickUpTo(event.target, event.shiftKey);
  const pick = event.target.closest("[data-pick]");
  if (!pick) return;
  const isPicking = $("[data-rows]").classList.toggle("picking");
  pick.setAttribute("aria-pressed", String(isPicking));
  if (!isPicking) untickRows();
}

