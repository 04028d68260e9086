// Makes working pages quicker to use; no page needs it to work.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const root = document.documentElement;
const live = $("#live");

function announce(text) {
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 60); // an unchanged text would not be read again
}

// Toasts. Good news leaves by itself, unless it is being read; anything else stays until it is closed.
function keep(toast) {
  if (!toast.matches(".good, .info")) return;
  setTimeout(() => (toast.matches(":hover, :focus-within") ? keep(toast) : toast.remove()), 9000);
}

function showToast(text, about) {
  if ($$(".toast p").some((p) => p.textContent === text)) return;
  const toast = $("#toast").content.firstElementChild.cloneNode(true);
  $("p", toast).textContent = text;
  toast.dataset.about = about;
  $("#toasts").append(toast);
}

// Copying, with the old way where the page is not a secure context.
async function writeClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

async function copy(button) {
  const { copy: given, copyFrom } = button.dataset; // in rows it is what stands before the button
  const text = given || (copyFrom ? document.getElementById(copyFrom) : button.previousElementSibling).textContent.trim();
  const done = await writeClipboard(text);
  button.focus();
  announce(done ? live.dataset.copied : live.dataset.notCopied);
  button.classList.toggle("copied", done);
  setTimeout(() => button.classList.remove("copied"), 1600);
}

// What was wrong with a field is no longer known once it is changed. A field that is checked while one types keeps its
// entry in the summary of errors until the check has no objection.
const fieldKey = (field) => field.closest("fieldset[id]")?.id ?? field.id;
const noteOf = (key) => $(`.note[data-field="${CSS.escape(key)}"]`);
document.addEventListener("input", ({ target }) => {
  target.removeAttribute("aria-invalid");
  if (target.form?.matches("#creation-form") && !noteOf(fieldKey(target))) correct(fieldKey(target));
});

function correct(key) {
  document.getElementById(`${key}_error`)?.replaceChildren();
  $(`.errors [data-for="${CSS.escape(key)}"]`)?.remove();
  const summary = $("#creation-form .errors");
  if (summary && !$("li", summary)) summary.remove();
}

// What the live check says of a field is the field's state, too.
function markFields() {
  for (const { dataset } of $$(".note[data-field]")) {
    const isWrong = Boolean($(".err", noteOf(dataset.field)));
    const field = document.getElementById(dataset.field);
    if (isWrong) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
    if (!isWrong) correct(dataset.field);
  }
}

// A button that fills in a field, as if its value had been typed.
function fill({ dataset }) {
  const field = document.getElementById(dataset.fill);
  field.value = dataset.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

// The arrows go from the field through the known subnets, and back.
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const details = event.target.closest("[data-subnets]") && $("[data-subnets] details");
  if (!step || !details || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const [field, ...rows] = $$("[data-subnets] input:not([type='hidden']), [data-subnets] [data-fill]");
  const here = rows.indexOf(event.target);
  if (here < 0 && (event.target !== field || step < 0)) return;
  event.preventDefault();
  details.open = true;
  (rows[here + step] ?? (here + step < 0 ? field : event.target)).focus();
});

// Menus are details elements; a click elsewhere or Escape closes them.
const openMenus = () => $$(":is(.chip-menu, .account, .topmenu)[open]");

document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  for (const menu of openMenus()) {
    const own = menu.contains(event.target) || (menu.matches(".topmenu") && on(".side"));
    if (!own) menu.open = false;
  }
  if (on("[data-copy], [data-copy-from]")) copy(on("[data-copy], [data-copy-from]"));
  else if (on("[data-fill]")) {
    event.preventDefault(); // it fills in by a round trip where there are no scripts
    fill(on("[data-fill]"));
  }
  else if (on("[data-dismiss]")) on(".toast, .notice").remove();
  else if (on("[data-open]") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault(); // a link leads to the same on a page of its own
    document.getElementById(on("[data-open]").dataset.open).showModal();
  }
  else if (event.target.matches("dialog")) event.target.close(); // its backdrop
});

// A filter of several values: typing narrows its boxes, the arrows go through them, and its foot counts what is ticked.
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
document.addEventListener("toggle", ({ target }) => target.matches?.("[data-several][open]") && $("[data-find]", target)?.focus(), true);
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

// Keys. They can be switched off, since speech input and stray keys set them off too.
const TYPING = "input:not([data-rows] [type='checkbox']), textarea, select, [contenteditable]"; // there keys are text
const keysOff = () => localStorage.getItem("keys") === "off";
const keyActions = {
  "/": () => $("main .search input, [data-key='/']"),
  n: () => $("[data-key='n']"),
  "?": () => $("#keys"),
};

// The list of keys says what "n" means here: the page's own button comes before the list's link.
const own = $("main [data-key='n']");
if (own && $("#key-n")) {
  $("#key-n").hidden = false;
  $("#key-n dd").textContent = [...own.childNodes].map((node) => (node.nodeType === 3 ? node.data : "")).join("").trim();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") {
    const menus = openMenus();
    for (const menu of menus) {
      menu.open = false;
      $("summary", menu).focus();
    }
    if (!menus.length && !$("dialog[open]") && !event.target.closest(TYPING)) untickRows();
    return;
  }
  if (event.target.closest(TYPING) || $("dialog[open]") || keysOff()) return;
  const step = { j: 1, k: -1 }[event.key];
  const box = event.key.toLowerCase() === "x" && $("input[type='checkbox']", document.activeElement.closest("[data-rows] tr") ?? live);
  if (step) return moveToRow(step);
  if (box) {
    box.checked = !box.checked;
    return tickUpTo(box, event.shiftKey);
  }
  const target = Object.hasOwn(keyActions, event.key) && keyActions[event.key]();
  if (!target) return;
  event.preventDefault();
  if (target.matches("dialog")) target.showModal();
  else if (target.matches("input")) target.select();
  else target.click();
});

// Jumping: Ctrl+K opens it, arrows go through what was found, Enter takes the first, once it is for what was typed.
const jump = $("#jump");
const jumpField = $("#jump-q");
const places = () => $$(".places :is(a, button)", jump);
const isForTyped = () => $(".found", jump).dataset.for === jumpField.value.trim();

document.addEventListener("keydown", (event) => {
  if (!jump || event.altKey || event.shiftKey || event.isComposing) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (!$("dialog[open]")) jump.showModal();
    jumpField.select();
  }
});

jump?.addEventListener("keydown", (event) => {
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

jump?.addEventListener("submit", (event) => {
  if (event.target.matches(".places form")) return; // an act, not the search
  event.preventDefault();
  if (isForTyped()) places()[0]?.click();
  else jump.dataset.hurry = ""; // the answer is on its way
});
jump?.addEventListener("htmx:afterSettle", () => {
  if ("hurry" in jump.dataset && isForTyped()) places()[0]?.click();
});
jumpField?.addEventListener("input", () => delete jump.dataset.hurry);

// The pages visited last, in this tab until somebody signs out, are offered before all others while nothing is typed.
const ownTitle = document.title;
const thisPage = location.href.replace(/#.*/, ""); // whole: a path that begins with "//" would be another site's address
const recents = $(".side") ? JSON.parse(sessionStorage.getItem("recents") ?? "[]").filter(({ url }) => url !== thisPage) : [];
if ($(".side") && location.pathname !== jumpField?.form.getAttribute("action")) {
  const page = { url: thisPage, name: ownTitle.replace(/ · hyperclusters$/, "") };
  sessionStorage.setItem("recents", JSON.stringify([page, ...recents].slice(0, 6)));
} else if (location.pathname === live.dataset.signInUrl) sessionStorage.removeItem("recents");

function offerRecents() {
  const list = $(".found[data-for=''] .places");
  if (!list || $("[data-recent]", list)) return;
  const isListed = (url) => $$("a", list).some((link) => link.href === url);
  for (const { url, name } of recents.filter(({ url }) => !isListed(url)).slice(0, 5).reverse()) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const about = document.createElement("span");
    [link.href, item.dataset.recent, about.className, about.textContent] = [url, "", "mut", live.dataset.recent];
    const words = document.createElement("b");
    words.textContent = name;
    link.append(words, about);
    item.append(link);
    list.prepend(item);
  }
}
offerRecents();
document.addEventListener("htmx:afterSwap", offerRecents);
if (/Mac|iP/.test(navigator.platform)) $$("[data-mod]").forEach((kbd) => (kbd.textContent = "⌘ K"));

const keysSwitch = $("#keys-on");
if (keysSwitch) {
  keysSwitch.checked = !keysOff();
  keysSwitch.addEventListener("change", () => localStorage.setItem("keys", keysSwitch.checked ? "on" : "off"));
}

// Theme: at once here, and by the same post as without scripts for the pages to come.
function switchTheme(event) {
  event.preventDefault();
  const { submitter, target } = event;
  root.classList.remove("light", "dark");
  if (submitter.value) root.classList.add(submitter.value);
  for (const button of $$("button", target)) button.setAttribute("aria-pressed", String(button === submitter));
  fetch(target.action, { method: "POST", body: new FormData(target, submitter), redirect: "manual" });
}

// A form marked data-once goes out once. The button is disabled a moment later, or its own value would not be sent.
function setSent(form, sent) {
  form.toggleAttribute("data-sent", sent);
  for (const button of $$("button:not([type='button']), input[type='submit']", form)) {
    button.disabled = sent;
    button.setAttribute("aria-busy", String(sent));
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-theme-form]")) switchTheme(event);
  else if (!form.matches("[data-once]") || form.matches("[hx-post]")) return;
  else if (form.hasAttribute("data-sent")) event.preventDefault();
  else setTimeout(() => setSent(form, true));
});
addEventListener("pageshow", (event) => event.persisted && $$("[data-sent]").forEach((form) => setSent(form, false)));

// One box that ticks all the others of its form.
document.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-check-all]")) return;
  for (const box of $$("tbody input[type='checkbox'][name]", target.form)) box.checked = target.checked;
});

// Rows of a list: j and k move, x ticks the row in focus, Shift ticks all since the last one, Escape clears.
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

function untickRows() {
  for (const box of $$("[data-rows] :checked")) box.checked = false;
  countTicked();
}

function tickUpTo(box, isRange) {
  const [boxes, from] = [rowBoxes(), document.getElementById("rows")?.contains(lastBox) ? lastBox : box];
  const [start, end] = [boxes.indexOf(from), boxes.indexOf(box)].sort((a, b) => a - b);
  if (isRange) for (const each of boxes.slice(start, end + 1)) each.checked = box.checked;
  lastBox = box;
  if ($("[data-rows] [name='all']")) $("[data-rows] [name='all']").checked = false;
  countTicked();
}

function moveToRow(step) {
  const links = rowLinks();
  const here = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  const target = here < 0 ? links.at(step > 0 ? 0 : -1) : links[here + step];
  target?.focus();
  target?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("change", countTicked);
countTicked();
document.addEventListener("reset", ({ target }) => target.matches("[data-rows]") && setTimeout(untickRows));
document.addEventListener("click", (event) => {
  if (rowBoxes().includes(event.target)) tickUpTo(event.target, event.shiftKey);
  const pick = event.target.closest("[data-pick]");
  if (!pick) return;
  const isPicking = $("[data-rows]").classList.toggle("picking");
  pick.setAttribute("aria-pressed", String(isPicking));
  if (!isPicking) untickRows();
});

// A download that shows how far it is. The file is kept in pieces, which the browser may put on disk; its last line says
// that it is whole. Without scripts, or if anything fails before it begins, the browser downloads it by itself.
async function download(form) {
  const [bar, words] = [$("progress", form), $("[data-words]", form)];
  const most = Number(form.dataset.download) || 0;
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
  if (!answer.ok || !answer.headers.get("Content-Disposition")) return form.submit();
  $("[data-progress]", form).hidden = false;
  if (most) bar.max = most;
  else bar.removeAttribute("value");
  const reader = answer.body.getReader();
  const pieces = [];
  let [lines, end] = [0, ""];
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    pieces.push(new Blob([part.value]));
    const text = new TextDecoder().decode(part.value);
    lines += text.split("\n").length - 1;
    end = (end + text).slice(-4000);
    if (most) bar.value = Math.min(lines, most);
    words.textContent = `${lines.toLocaleString(root.lang)} ${words.dataset.words}`;
  }
  if (!end.includes("manifest")) return void (words.textContent = words.dataset.cut);
  bar.max = bar.value = 1;
  words.textContent = words.dataset.done;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(pieces));
  link.download = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1];
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-download]") || event.defaultPrevented) return;
  event.preventDefault();
  setSent(form, true);
  download(form)
    .catch(() => ($("[data-words]", form).textContent = $("[data-words]", form).dataset.cut))
    .finally(() => setSent(form, false));
});

// Times, in the page's language, by the server's clock should this one be far off.
const skew = Date.parse(root.dataset.now) - Date.now();
const offset = Math.abs(skew) > 30_000 ? skew : 0;
const relative = new Intl.RelativeTimeFormat(root.lang, { numeric: "always" });
const exact = new Intl.DateTimeFormat(root.lang, { dateStyle: "medium", timeStyle: "long" });
const days = new Intl.DateTimeFormat(root.lang === "en" ? "en-GB" : root.lang, { dateStyle: "medium" });
const comma = root.lang === "en" ? ", " : " ";
const units = Object.entries({ second: 1, minute: 60, hour: 3600, day: 86400, week: 604800, month: 2629800, year: 31557600 });

// In the largest unit that fits, as moments.py: whole ones of what is past, the nearest of what lies ahead.
function inUnits(seconds) {
  let [number, unit, span] = [0, "second", Math.abs(seconds)];
  for (const [name, size] of units) {
    if (span < size) continue;
    [number, unit] = [seconds < 0 ? Math.trunc(seconds / size) : Math.round(seconds / size), name];
    span = Math.max(span, Math.abs(number * size)); // 59.7 minutes are an hour
  }
  return relative.format(number || -0, unit).replace(/(\d)(?=[^\s\d])/, "$1 ");
}

function tellTimes() {
  for (const time of $$("time.rel")) {
    const at = new Date(time.dateTime);
    const fresh = !("told" in time.dataset); // what just came from the server says it rightly, and must not move
    time.dataset.told = "";
    const text = inUnits((at - Date.now() - offset) / 1000);
    if (!fresh && time.textContent !== text) time.textContent = text;
    time.title = `${exact.format(at)} · ${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  }
  let day = ""; // is told where it begins, by the reader's own zone
  for (const time of $$("time.clock")) {
    const at = new Date(time.dateTime);
    const date = days.format(at).replace(/(?<=\p{Script=Han})(?=\d)|(?<=\d)(?=\p{Script=Han})/gu, " ");
    time.title ||= `${time.dateTime.replace(/[TZ]/g, " ")}UTC`;
    time.textContent = (date === day ? "" : `${date}${comma}`) + at.toLocaleTimeString("sv");
    day = date;
  }
  for (const time of $$("time.utc")) time.title = exact.format(new Date(time.dateTime)); // the reader's own time, on hover
}

// What asks by itself, and so can ask again.
const ASKING = "[hx-headers*='X-Poll']";

// A swap never replaces what is being pressed or typed in: it waits until that is over, and what it was for is asked anew.
let pressed = null;
const postponed = new Set();

function isInUse({ target, elt }) {
  const active = document.activeElement;
  const isTyping = active.matches("input, textarea") && active.value !== active.defaultValue;
  const within = (element) => target.contains(element) && !elt.contains(element);
  const isPressed = pressed && (target.contains(pressed) || (elt.matches("[data-live]") && pressed.closest("[data-swapped]")));
  return isPressed || (isTyping && within(active));
}

function release({ type, target }) {
  // Pressing a button takes the focus from a field: that alone does not end the press.
  if (type !== "focusout" && (type !== "blur" || target === window)) pressed = null;
  setTimeout(() => { // after the click that this was
    if (pressed) return;
    for (const elt of postponed) {
      const event = elt.matches(ASKING) ? "shown" : elt.matches("form") ? "submit" : "change";
      if (elt.isConnected) elt.dispatchEvent(new Event(event, { bubbles: event !== "shown", cancelable: true }));
    }
    postponed.clear();
  });
}

addEventListener("pointerdown", ({ target }) => (pressed = target), true);
addEventListener("keydown", ({ key, target }) => key === " " && (pressed = target), true);
for (const name of ["pointerup", "pointercancel", "dragend", "keyup", "focusout", "blur"]) addEventListener(name, release, true);

// Selected text, as where it begins in the element and what it is.
function selected(element) {
  const selection = getSelection();
  if (selection.isCollapsed || !element.contains(selection.anchorNode) || !element.contains(selection.focusNode)) return null;
  const range = selection.getRangeAt(0);
  const lead = document.createRange();
  lead.setStart(element, 0);
  lead.setEnd(range.startContainer, range.startOffset);
  return { start: lead.toString().length, text: range.toString() };
}

function select(element, { start, text }) {
  if (element.textContent.slice(start, start + text.length) !== text) return; // it is not there any more
  const range = document.createRange();
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let at = 0, node = walker.nextNode(); node; at += node.length, node = walker.nextNode()) {
    if (start >= at && start < at + node.length) range.setStart(node, start - at);
    if (start + text.length > at && start + text.length <= at + node.length) range.setEnd(node, start + text.length - at);
  }
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

// htmx: what the swap would lose is put back (focus on things without an ID, selected text, opened details, what was chosen
// while the request was out, what is typed into a form beside what asked), failures are said.
let before = null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.requestConfig.verb === "get" && isInUse({ target: detail.target, elt: detail.requestConfig.elt })) {
    detail.shouldSwap = false;
    postponed.add(detail.requestConfig.elt);
    return;
  }
  const active = document.activeElement;
  const named = ["data-copy", "data-copy-from", "aria-label", "href", "name", "value"].filter((name) => active.hasAttribute(name));
  const selector = named.map((name) => `[${name}="${CSS.escape(active.getAttribute(name))}"]`).join("");
  before = {
    focus: !active.id && selector && detail.target.contains(active) ? selector : null,
    focusId: active.id, // htmx sees to it, except in details, which are closed until they are opened again here
    selected: selected(detail.target),
    target: detail.target.id,
    typed: detail.requestConfig.verb === "get" ? typedFields(detail.target) : [],
    open: $$("details[id][open]").map((each) => each.id),
    chosen: $$("[type='radio']:checked, [data-rows] tbody :checked", detail.target).map((each) => `[name="${CSS.escape(each.name)}"][value="${CSS.escape(each.value)}"]`),
  };
});
// Right after the swap, before anything can be pressed. Each new element of the answer says so: the target may be the last.
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  for (const id of before?.open ?? []) document.getElementById(id)?.setAttribute("open", "");
  for (const [id, value] of before?.typed ?? []) if (document.getElementById(id)) document.getElementById(id).value = value;
  for (const radio of before?.chosen ?? []) if ($(radio)) $(radio).checked = true;
  const swapped = before && (document.getElementById(before.target) ?? detail.elt);
  if (before?.focus && document.activeElement === document.body) $(before.focus, swapped)?.focus();
  if (before?.focusId && document.activeElement === document.body) document.getElementById(before.focusId)?.focus();
  if (before?.selected) select(swapped, before.selected);
  before = null;
  if (detail.requestConfig?.verb === "post") $(".errors", detail.elt)?.focus();
  if (detail.requestConfig?.elt.matches("[data-live]")) markFields();
  $$(".toast:not([data-seen])").forEach(settleToast);
  tellTimes();
  countTicked();
});
// What settled meanwhile stands in the window's title, until the page is left.
document.addEventListener("htmx:afterSwap", () => {
  const { title } = $("#news")?.dataset ?? {};
  if (title) document.title = `${title} · ${ownTitle}`;
});
function settleToast(toast) {
  toast.dataset.seen = "";
  keep(toast);
}

// A live check that failed says so, and leaves nothing on the page that was true of other entries.
function sayUnchecked(form) {
  const words = document.createElement("p");
  words.className = "help warn-c";
  words.textContent = live.dataset.notChecked;
  $$(".note", form).forEach((note) => note.replaceChildren());
  $("[name='subnets_of']", form).value = ""; // the next answer has them again
  $("#id_name_note").replaceChildren(words);
  const check = document.createElement("li");
  check.textContent = live.dataset.notChecked;
  $("#live-part .checks").replaceChildren(check);
  $$("[data-swapped]").forEach((panel) => panel.replaceChildren());
}

function failed({ detail }) {
  const { xhr, requestConfig, elt } = detail;
  const safe = requestConfig.verb === "get";
  if (elt.matches("[data-live]")) sayUnchecked(elt);
  else if ([401, 403].includes(xhr?.status)) showToast(live.dataset.denied, "refusal");
  else if (safe) showToast(live.dataset.noAnswer, "reading");
  else showToast(live.dataset.noAnswerSent, "sending");
}
for (const name of ["responseError", "sendError", "timeout"]) document.addEventListener(`htmx:${name}`, failed);

// Long text goes to a live check by its first character only: an address has no room for it.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  for (const field of $$("[data-brief]", detail.elt)) {
    if (detail.verb === "get") detail.parameters[field.name] = [...field.value.trim()][0] ?? "";
  }
});

// What is typed into a form is kept on the way to the sign-in page, and when the language changes.
const isTyped = (field) => {
  if (field.matches("[type='checkbox'], [type='radio']")) return field.checked !== field.defaultChecked;
  if (field.matches("select")) return [...field.options].some((each) => each.defaultSelected) ? !field.selectedOptions[0]?.defaultSelected : field.selectedIndex > 0;
  return field.matches("textarea, input:not([type='hidden'], [type='submit'])") && field.value !== "";
};
const typedForms = () => $$("form[data-draft]").filter((form) => [...form.elements].some(isTyped));
const typedFields = (target) => $$("form[data-draft] :is(input[id], textarea[id])", target).filter(isTyped).map(({ id, value }) => [id, value]);
let lastForm = null;
document.addEventListener("input", ({ target }) => (lastForm = target.form));

function draftUrl(form) {
  const { pathname, search } = new URL(form.action);
  return `${live.dataset.draftUrl}?for=${encodeURIComponent(pathname + search)}`;
}

// Whether it is kept, or nothing is typed.
async function keepTyped() {
  const forms = typedForms();
  const form = forms.includes(lastForm) ? lastForm : forms[0];
  if (!form) return true;
  const answer = await fetch(draftUrl(form), { method: "POST", body: new FormData(form) }).catch(() => null);
  return Boolean(answer?.ok);
}

// Pages are never stored by the browser, so what was typed would not be there on the way back.
addEventListener("pagehide", () => {
  if (typedForms().includes(lastForm) && !("sent" in lastForm.dataset)) navigator.sendBeacon(draftUrl(lastForm), new FormData(lastForm));
});

document.addEventListener("htmx:beforeOnLoad", (event) => {
  const url = event.detail.xhr.getResponseHeader("HX-Redirect");
  if (!url?.startsWith(live.dataset.signInUrl) || !typedForms().length) return;
  event.preventDefault(); // leaving the page is up to the person who types
  if (event.detail.elt.matches("[data-live]")) sayUnchecked(event.detail.elt);
  if ($(".toast[data-about='signed-out']")) return;
  showToast(live.dataset.signedOut, "signed-out");
  const line = $(".toast[data-about='signed-out'] p");
  const link = document.createElement("a");
  [link.href, link.className, link.textContent] = [url, "link", live.dataset.signIn];
  link.dataset.leave = "";
  line.append(" ", link);
});
document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-leave]");
  if (!link) return;
  event.preventDefault();
  if (await keepTyped()) location.assign(link.href);
  else showToast(live.dataset.notKept, "not-kept");
});
document.addEventListener("submit", async (event) => {
  const { target, submitter } = event;
  if (!target.matches("[data-language-form]") || "isKept" in target.dataset || !typedForms().length) return;
  event.preventDefault();
  target.dataset.isKept = "";
  await keepTyped();
  target.requestSubmit(submitter);
});

// What asks by itself rests while nobody can see it, and asks at once when the page is shown again.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) $$(ASKING).forEach((each) => each.dispatchEvent(new Event("shown")));
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (document.hidden && elt.matches(ASKING)) event.preventDefault();
  else if (elt.matches("[data-once]")) setSent(elt, true);
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt.matches("[data-once]")) setSent(detail.elt, false);
  if (detail.successful) $$(".toast:is([data-about='reading'], [data-about='signed-out'])").forEach((toast) => toast.remove());
});

tellTimes();
setInterval(tellTimes, 30_000);
$$(".toast").forEach(settleToast);
$(".errors")?.focus();
