// A download that shows how far it is, loaded when it begins. The file is kept in pieces, which the browser may put on
// disk; its last line says that it is whole. Without scripts, or if this is not loaded, the browser downloads it by itself.
const $ = (selector, root) => root.querySelector(selector);

export const start = (form) =>
  download(form).catch(() => ($("[data-words]", form).textContent = $("[data-words]", form).dataset.cut));

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
    words.textContent = `${lines.toLocaleString(document.documentElement.lang)} ${words.dataset.words}`;
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
