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

// What few visits need is loaded when it is first used. Without it the page works as it does without scripts.
const rows = (act) => import("./rows.js").then(act);
const jumping = (act) => import("./jump.js").then(act);

function startForms() {
  if ($("form[data-draft]")) import("./forms.js").then(({ start }) => start(showToast));
}
startForms();

function open(dialog) {
  dialog.showModal();
  if (dialog.id === "jump") jumping(({ offerRecents }) => offerRecents());
}

// Menus are details elements; a click elsewhere or Escape closes them.
const openMenus = () => $$(":is(.chip-menu, .account, .topmenu)[open]");

document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  for (const menu of openMenus()) {
    const own = menu.contains(event.target) || (menu.matches(".topmenu") && on(".side"));
    if (!own) menu.open = false;
  }
  if ($("[data-ticked]") && on("form, [data-pick]")) rows(({ clicked }) => clicked(event));
  if (on("[data-copy], [data-copy-from]")) copy(on("[data-copy], [data-copy-from]"));
  else if (on("[data-dismiss]")) on(".toast, .notice").remove();
  else if (on("[data-open]") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault(); // a link leads to the same on a page of its own
    open(document.getElementById(on("[data-open]").dataset.open));
  }
  else if (event.target.matches("dialog")) event.target.close(); // its backdrop
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
    const isForRows = !menus.length && !$("dialog[open]") && !event.target.closest(TYPING) && $("[data-rows] :checked");
    if (isForRows) rows(({ untickRows }) => untickRows());
    return;
  }
  if (event.target.closest(TYPING) || $("dialog[open]") || keysOff()) return;
  const step = { j: 1, k: -1 }[event.key];
  const box = event.key.toLowerCase() === "x" && $("input[type='checkbox']", document.activeElement.closest("[data-rows] tr") ?? live);
  if (step) return rows(({ moveToRow }) => moveToRow(step));
  if (box) return rows(({ turn }) => turn(box, event.shiftKey));
  const target = Object.hasOwn(keyActions, event.key) && keyActions[event.key]();
  if (!target) return;
  event.preventDefault();
  if (target.matches("dialog")) open(target);
  else if (target.matches("input")) target.select();
  else target.click();
});

document.addEventListener("keydown", (event) => {
  const jump = $("#jump");
  if (!jump || event.altKey || event.shiftKey || event.isComposing) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (!$("dialog[open]")) open(jump);
    $("#jump-q").select();
  }
});
if ($("main .found")) jumping(({ offerRecents }) => offerRecents());

document.addEventListener("toggle", ({ target }) => target.matches?.("[data-several][open]") && import("./boxes.js").then(({ start }) => start(target)), true);

// The pages visited last, in this tab until somebody signs out, are kept for jumping.
const ownTitle = document.title;
if ($(".side") && location.pathname !== $("#jump-q")?.form.getAttribute("action")) {
  const url = location.href.replace(/#.*/, ""); // whole: a path that begins with "//" would be another site's address
  const others = JSON.parse(sessionStorage.getItem("recents") ?? "[]").filter((each) => each.url !== url);
  const page = { url, name: ownTitle.replace(/ · hyperclusters$/, "") };
  sessionStorage.setItem("recents", JSON.stringify([page, ...others].slice(0, 6)));
} else if (location.pathname === live.dataset.signInUrl) sessionStorage.removeItem("recents");

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
  else if (form.matches("#jump .jump")) {
    event.preventDefault();
    jumping(({ go }) => go()).catch(() => form.submit());
  } else if (form.matches("[data-download]") && !event.defaultPrevented) {
    event.preventDefault();
    setSent(form, true);
    import("./download.js").then(({ start }) => start(form), () => form.submit()).finally(() => setSent(form, false));
  }
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

// The whole of what a row shortens, on hover: written in each row, it would take a byte in twenty.
document.addEventListener("pointerover", ({ target }) => {
  const short = target.closest?.(".id:has(> span), .net + .mut");
  if (short) short.title ||= short.textContent;
});

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
// while the request was out), failures are said.
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
    open: $$("details[id][open]").map((each) => each.id),
    chosen: $$("[type='radio']:checked, [data-rows] tbody :checked", detail.target).map((each) => `[name="${CSS.escape(each.name)}"][value="${CSS.escape(each.value)}"]`),
  };
});
// Right after the swap, before anything can be pressed. Each new element of the answer says so: the target may be the last.
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  for (const id of before?.open ?? []) document.getElementById(id)?.setAttribute("open", "");
  for (const radio of before?.chosen ?? []) if ($(radio)) $(radio).checked = true;
  const swapped = before && (document.getElementById(before.target) ?? detail.elt);
  if (before?.focus && document.activeElement === document.body) $(before.focus, swapped)?.focus();
  if (before?.focusId && document.activeElement === document.body) document.getElementById(before.focusId)?.focus();
  if (before?.selected) select(swapped, before.selected);
  before = null;
  if (detail.requestConfig?.verb === "post") $(".errors", detail.elt)?.focus();
  $$(".toast:not([data-seen])").forEach(settleToast);
  tellTimes();
  startForms();
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

function failed({ detail }) {
  const { xhr, requestConfig, elt } = detail;
  const safe = requestConfig.verb === "get";
  if (elt.matches("[data-live]")) return; // forms.js says it
  if ([401, 403].includes(xhr?.status)) showToast(live.dataset.denied, "refusal");
  else if (safe) showToast(live.dataset.noAnswer, "reading");
  else showToast(live.dataset.noAnswerSent, "sending");
}
for (const name of ["responseError", "sendError", "timeout"]) document.addEventListener(`htmx:${name}`, failed);

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
