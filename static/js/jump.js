// Jumping, loaded when its dialog is opened: arrows go through what was found, Enter takes the first, once it is for what
// was typed.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const jump = $("#jump");
const jumpField = $("#jump-q");
const places = () => $$(".places :is(a, button)", jump);
const isForTyped = () => $(".found", jump).dataset.for === jumpField.value.trim();

jump.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.isComposing || event.ctrlKey || event.metaKey) return;
  if (step) {
    event.preventDefault();
    const at = places().indexOf(document.activeElement) + step;
    (places()[at] ?? (at < 0 ? jumpField : document.activeElement)).focus();
  } else if (event.target !== jumpField && event.key.length === 1) {
    jumpField.focus(); // typing goes on, from wherever one is
  }
});

export function go() {
  if (isForTyped()) places()[0]?.click();
  else jump.dataset.hurry = ""; // the answer is on its way
}
jump.addEventListener("htmx:afterSettle", () => {
  if ("hurry" in jump.dataset && isForTyped()) places()[0]?.click();
});
jumpField.addEventListener("input", () => delete jump.dataset.hurry);

// The pages visited last are offered before all others while nothing is typed.
export function offerRecents() {
  const list = $(".found[data-for=''] .places");
  if (!list || $("[data-recent]", list)) return;
  const isListed = (url) => $$("a", list).some((link) => link.href === url);
  const here = location.href.replace(/#.*/, "");
  const recents = JSON.parse(sessionStorage.getItem("recents") ?? "[]").filter(({ url }) => url !== here && !isListed(url));
  for (const { url, name } of recents.slice(0, 5).reverse()) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const about = document.createElement("span");
    [link.href, item.dataset.recent, about.className, about.textContent] = [url, "", "mut", $("#live").dataset.recent];
    const words = document.createElement("b");
    words.textContent = name;
    link.append(words, about);
    item.append(link);
    list.prepend(item);
  }
}
document.addEventListener("htmx:afterSwap", offerRecents);
