// Forms that keep what is typed, and the live check. Loaded on pages that have one.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const live = $("#live");
let showToast;
export const start = (say) => (showToast = say);

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
function fill({ dataset, value }) {
  const field = document.getElementById(dataset.fill);
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-fill]");
  if (!button) return;
  event.preventDefault(); // it fills in by a round trip where there are no scripts
  fill(button);
});

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

for (const name of ["responseError", "sendError", "timeout"]) {
  document.addEventListener(`htmx:${name}`, ({ detail: { elt } }) => elt.matches("[data-live]") && sayUnchecked(elt));
}

// What is typed into a form beside what asked is put back after the swap.
let typed = [];
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  typed = detail.shouldSwap && detail.requestConfig.verb === "get" ? typedFields(detail.target) : [];
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  for (const [id, value] of typed) if (document.getElementById(id)) document.getElementById(id).value = value;
  typed = [];
  if (detail.requestConfig?.elt.matches("[data-live]")) markFields();
});

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
let lastForm = document.activeElement.form ?? null; // typing may have begun before this was loaded
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

