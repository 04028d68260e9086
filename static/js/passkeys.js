// Passkeys: asks the browser for one and puts its answer into the form, which then goes out as any form does.
// They need https and a site that is reached by its name; on this machine, by "localhost".
const byName = !/^[\d.]+$|^\[/.test(location.hostname);
const able = byName && Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON);
if (!able) document.querySelector("[data-no-passkeys]")?.classList.remove("without-scripts");

async function ask(form) {
  const making = form.dataset.passkey === "create";
  let options = form.dataset.options && JSON.parse(form.dataset.options);
  if (!options) {
    const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
    options = (await answer.json()).request_options;
  }
  const credential = making
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey) });
  form.elements.credential.value = JSON.stringify(credential.toJSON());
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !able;
  const button = form.querySelector("button");
  const trouble = form.querySelector("[role='status']");
  form.addEventListener("submit", async (event) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    trouble.hidden = true;
    button.disabled = true;
    try {
      await ask(form);
      form.submit();
    } catch {
      trouble.hidden = false; // refused, timed out, or none for this site
      button.disabled = false;
    }
  });
}
