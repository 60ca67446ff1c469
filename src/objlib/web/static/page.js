"use strict";
// Works without: search and reading are plain pages. This adds keys, a place to begin, and live figures.
(() => {
  const one = (selector) => document.querySelector(selector);
  const typing = (target) => target.matches("input, textarea, select, [contenteditable]");

  const hit = one("#hit");
  if (hit) hit.scrollIntoView({ block: "center" });

  // Keys: / j k Enter ?
  const hits = [...document.querySelectorAll(".hit")];
  let at = -1;
  const go = (to) => {
    if (!hits.length) return;
    at = Math.max(0, Math.min(hits.length - 1, to));
    hits.forEach((item, number) => item.classList.toggle("at", number === at));
    const link = hits[at].querySelector("a");
    if (link) link.focus();
    hits[at].scrollIntoView({ block: "nearest" });
  };
  const off = () => { try { return localStorage.getItem("keys") === "off"; } catch { return false; } };
  const line = one(".keys");
  const follow = (rel) => { const link = one(`a[rel=${rel}]`); if (link) link.click(); };
  const keys = {
    "/": () => { const box = one("#q"); if (box) { box.focus(); box.select(); } else location.href = "/"; },
    j: () => (hits.length ? go(at + 1) : follow("next")),
    k: () => (hits.length ? go(at - 1) : follow("prev")),
    "?": () => { line.hidden = !line.hidden; if (!line.hidden) line.scrollIntoView(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (off() && event.key !== "?") return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  const turn = one("#keys-off");
  const name = () => { turn.textContent = off() ? "Turn keys on" : "Turn keys off"; };
  turn.addEventListener("click", () => {
    try { localStorage.setItem("keys", off() ? "on" : "off"); } catch { /* not kept */ }
    name();
  });
  name();

  // Live figures, while somebody looks.
  const run = one("#run");
  if (!run) return;
  let source = null;
  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(run.dataset.events);
    source.addEventListener("run", (event) => {
      const name = document.activeElement && document.activeElement.value;
      run.innerHTML = JSON.parse(event.data);
      const again = name && run.querySelector(`button[value="${CSS.escape(name)}"]`);
      if (again) again.focus();
    });
  };
  const close = () => { if (source) { source.close(); source = null; } };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
})();
