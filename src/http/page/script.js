// Keeps an open page current without losing the reader's place. Everything works without it.
(() => {
  const main = document.getElementById("main");
  if (!main || !("signed" in main.dataset)) return;
  let seen = main.innerHTML, dirty = false;
  main.addEventListener("input", () => { dirty = true; });
  const end = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const toEnd = () => { const log = main.querySelector("pre.log"); if (log) log.scrollTop = log.scrollHeight; };
  const swap = (next) => {
    const open = [...main.querySelectorAll("details[id][open]")].map((one) => one.id);
    const log = main.querySelector("pre.log"), follow = log && end(log), at = log && log.scrollTop;
    const focus = document.activeElement && document.activeElement.id;
    main.replaceChildren(...next.childNodes);
    if ("moving" in next.dataset) main.dataset.moving = ""; else delete main.dataset.moving;
    open.forEach((id) => { const one = document.getElementById(id); if (one) one.open = true; });
    const fresh = main.querySelector("pre.log");
    if (fresh) fresh.scrollTop = follow ? fresh.scrollHeight : at;
    if (focus && focus !== "main") { const one = document.getElementById(focus); if (one) one.focus({ preventScroll: true }); }
  };
  const look = async () => {
    if (!document.hidden && !dirty) {
      try {
        const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error", cache: "no-store", headers: { "x-galley-look": "1" } });
        if (answer.ok) {
          const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
          if (next && next.innerHTML !== seen && !dirty) { seen = next.innerHTML; swap(next); }
        }
      } catch { /* the server is away for a moment: look again later */ }
    }
    setTimeout(look, "moving" in main.dataset ? 1500 : 6000);
  };
  toEnd();
  setTimeout(look, 1500);
})();
