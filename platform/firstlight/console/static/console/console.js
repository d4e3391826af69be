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

  // An analysis was asked for: look every two seconds whether it has come, for a minute.
  const wait = (place) => {
    const until = Date.now() + 60_000;
    const ask = async () => {
      const answer = await fetch(place.dataset.waiting).then((r) => r.json()).catch(() => ({}));
      if (answer.number > Number(place.dataset.after)) return window.location.replace(window.location.pathname);
      if (Date.now() < until) return setTimeout(ask, 2_000);
      place.textContent = place.dataset.late;
    };
    setTimeout(ask, 1_000);
  };

  document.addEventListener("DOMContentLoaded", () => {
    if (document.querySelector("[data-chart]")) {
      draw();
      new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["class"] });
      follow();
    }
    document.querySelectorAll("[data-waiting]").forEach(wait);
  });
})();
