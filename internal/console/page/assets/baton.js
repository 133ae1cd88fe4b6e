// What a page does by itself while it is open. Everything here is besides: without
// it each page still works, but does not follow the appliance.
(() => {
  "use strict";
  const body = document.body;
  const byId = id => document.getElementById(id);
  const silence = 3000; // milliseconds without a word (there is one a second) until the connection counts as lost

  // On a narrow screen the tabs scroll sideways: the present one must be in sight.
  const showTab = () => document.querySelectorAll("nav [aria-current]").forEach(tab => { tab.parentElement.scrollLeft = tab.offsetLeft - (tab.parentElement.clientWidth - tab.offsetWidth) / 2; });
  showTab();
  addEventListener("resize", showTab);

  // A form that somebody is filling in must not be taken away.
  const dirty = new Set();
  document.addEventListener("input", e => { if (e.target.form?.method === "post") dirty.add(e.target.form); });
  document.addEventListener("reset", e => dirty.delete(e.target));
  // What was refused has been typed, too, if on the page before.
  const typed = () => dirty.size > 0 || document.querySelector("main [role=alert][autofocus]") !== null;

  // One press, one request.
  document.addEventListener("submit", e => {
    if (e.target.method !== "post" || e.defaultPrevented) return;
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    e.target.dataset.sent = "yes";
    dirty.delete(e.target);
    setTimeout(() => { delete e.target.dataset.sent; }, 5000);
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(f => { delete f.dataset.sent; }));

  // A menu closes when the person goes elsewhere.
  document.addEventListener("click", e => {
    document.querySelectorAll("details.menu[open]").forEach(menu => { if (!menu.contains(e.target)) menu.open = false; });
  });
  document.addEventListener("keydown", e => {
    if (e.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach(menu => { menu.open = false; menu.querySelector("summary").focus(); });
  });

  // Copies what a field shows.
  document.addEventListener("click", async e => {
    const button = e.target.closest("[data-copy]");
    if (!button) return;
    const field = byId(button.dataset.copy);
    field.select?.();
    await navigator.clipboard.writeText(field.value ?? field.textContent);
    button.textContent = "Copied";
  });

  // What is to be copied is selected already.
  document.querySelectorAll("[data-select]").forEach(field => { field.focus(); field.select(); });

  const stream = byId("stream");
  if (!stream) return;
  let heard = Date.now();
  let connection = null;

  const hear = () => {
    heard = Date.now();
    byId("lost").hidden = true;
  };
  const here = extra => location.pathname + "?" + new URLSearchParams({ ...Object.fromEntries(new URLSearchParams(location.search)), ...extra });
  const renew = () => { if (!typed() && !document.querySelector("form[data-sent]")) location.replace(here({ seen: body.dataset.seen })); };

  document.addEventListener("htmx:sse:after:connection", e => { connection = e.detail.connection; hear(); });
  document.addEventListener("htmx:sse:after:message", hear);
  // The appliance has another role than the page was drawn for.
  stream.addEventListener("changed", renew);
  document.addEventListener("htmx:sse:error", e => refused(e.detail.status));
  // The library tries again by itself once it was connected; before that, we do.
  const begin = () => { if (!stream._htmx?.sse) htmx.ajax("GET", stream.getAttribute("hx-sse:connect"), { source: stream }); };
  const failed = e => {
    if (e.detail.ctx?.sourceElement !== stream) return;
    const status = e.detail.ctx.response?.status;
    if (status === 401) refused(status); else setTimeout(begin, 1500);
  };
  document.addEventListener("htmx:error", failed);
  document.addEventListener("htmx:response:error", failed);

  // Another session is needed: it ended, or the shared IP is at another appliance now.
  function refused(status) {
    if (status !== 401) return;
    const signIn = body.dataset.signIn + "?" + new URLSearchParams({ next: location.pathname + location.search, seen: body.dataset.seen });
    if (!typed()) { location.replace(signIn); return; }
    byId("ended-link").href = signIn;
    byId("ended").hidden = false;
  }

  // Should the stream have lost its way although the appliance answers again, the
  // page is drawn anew.
  let asked = 0;
  async function lookAgain() {
    const now = Date.now();
    if (now - heard < 4 * silence || now - asked < 2 * silence) return;
    asked = now;
    const answer = await fetch(body.dataset.signIn + "/moved", { cache: "no-store", signal: AbortSignal.timeout(silence) }).catch(() => null);
    if (answer?.ok && Date.now() - heard >= 4 * silence) renew();
  }

  setInterval(() => {
    if (document.hidden) { heard = Date.now(); return; } // the stream rests with the page
    if (Date.now() - heard < silence) return;
    if (byId("lost").hidden) {
      byId("lost-since").textContent = new Date(heard).toLocaleTimeString("en-GB"); // as all times here: 24 hours
      byId("lost").hidden = false;
    }
    connection?.reader?.cancel(); // a connection that only looks alive is tried anew
    lookAgain();
  }, 500);
})();
