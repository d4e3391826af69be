// Draws every chart of the page, again when light turns to dark, and to the width of its place.
(() => {
  const mode = () => (document.documentElement.classList.contains("dark") ? "dark" : "light");
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  let drawn = null;

  const draw = async () => {
    if (drawn === mode() || !window.vegaEmbed) return;
    drawn = mode();
    const config = read("chart-themes")[drawn];
    const options = { config, actions: false, renderer: "svg", tooltip: { theme: drawn } };
    for (const place of document.querySelectorAll("[data-chart]")) {
      await window.vegaEmbed(place, read(place.dataset.chart), options);
      // The place has a name for the whole; hundreds of marks with names of their own say nothing to who hears them.
      place.querySelector("svg").setAttribute("aria-hidden", "true");
      place.dataset.drawn = drawn;
    }
  };

  // Vega follows the window only; the sidebar moves the content without it.
  const follow = () => {
    let width = 0;
    new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 2) return;
      width = entry.contentRect.width;
      window.dispatchEvent(new Event("resize"));
    }).observe(document.getElementById("main") || document.body);
  };

  // An analysis was asked for: ask every two seconds how far it has come. A minute without a step forward is too long.
  const wait = (place) => {
    let until = Date.now() + 60_000, step = "";
    const bar = place.querySelector("progress"), stage = place.querySelector("[data-stage]");
    const end = (text) => { place.textContent = text; };
    const ask = async () => {
      const answer = await fetch(place.dataset.waiting).then((r) => r.json()).catch(() => ({}));
      if (answer.number > Number(place.dataset.after)) return window.location.replace(window.location.pathname);
      if (answer.failure && answer.finished) { place.classList.add("fl-worse"); return end(answer.failure); }
      if (answer.stage && !answer.finished && stage) stage.textContent = `Analysis: ${answer.stage}.`;
      if (answer.share >= 0 && bar) bar.value = answer.share;
      if (`${answer.stage} ${answer.share}` !== step) { step = `${answer.stage} ${answer.share}`; until = Date.now() + 60_000; }
      if (Date.now() < until && !(answer.finished && answer.share === 1)) return setTimeout(ask, 2_000);
      end(place.dataset.late);
    };
    setTimeout(ask, 1_000);
  };

  // What a form would promise if it were saved now: asked a moment after the last key, the newest answer wins.
  const preview = (place) => {
    const form = document.getElementById(place.dataset.form);
    if (!form) return;
    let timer = 0, asked = 0;
    const ask = async () => {
      const mine = ++asked;
      const answer = await fetch(place.dataset.preview, { method: "POST", body: new FormData(form) }).catch(() => null);
      if (answer?.ok && mine === asked) place.innerHTML = await answer.text();
    };
    const later = () => { clearTimeout(timer); timer = setTimeout(ask, 700); };
    form.addEventListener("input", later);
    form.addEventListener("change", later);
    window.django?.jQuery?.(form).on("change", later);  // Select2 tells jQuery alone
    later();
  };

  document.addEventListener("DOMContentLoaded", () => {
    if (document.querySelector("[data-chart]")) {
      draw();
      new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["class"] });
      follow();
    }
    document.querySelectorAll("[data-waiting]").forEach(wait);
    document.querySelectorAll("[data-preview]").forEach(preview);
  });

  // Where one types to choose rows has no name of its own: it gets that of its field, whenever it comes to the page.
  const name = () => document.querySelectorAll(".select2-search__field:not([aria-label])").forEach((field) => {
    const select = field.closest(".select2-container")?.parentElement?.querySelector("select");
    const label = select && document.querySelector(`label[for="${select.id}"]`);
    if (label) field.setAttribute("aria-label", label.textContent.trim());
  });
  new MutationObserver(name).observe(document.documentElement, { childList: true, subtree: true });
})();
