"use strict";
// Draws a figure when it comes into view, in the colours of the page, and lets arrow keys read its values; plays films
// while they are seen. Without this script the page shows the same figures as pictures, and films wait to be played.

const mirl = {
  figures: {},
  // figures/<stem>.js calls this: a list of Plotly's descriptions, one a metric.
  add(stem, panels) { this.figures[stem] = panels; },
};

(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const fade = (colour, share) => colour + Math.round(255 * share).toString(16).padStart(2, "0");

  function coloured(trace) {
    const colour = css(`--series-${trace.meta.series}`);
    const marker = { ...trace.marker, color: colour, line: { ...trace.marker?.line, color: colour } };
    return {
      ...trace,
      marker,
      line: { ...trace.line, color: colour },
      fillcolor: fade(colour, 0.18),
      error_x: trace.error_x && { ...trace.error_x, color: colour },
      error_y: trace.error_y && { ...trace.error_y, color: colour },
    };
  }

  function themed(layout) {
    const axis = { gridcolor: css("--rule"), zerolinecolor: css("--rule"), linecolor: css("--muted"), spikecolor: css("--muted"), spikethickness: 1 };
    return {
      ...layout,
      paper_bgcolor: css("--surface"),
      plot_bgcolor: css("--surface"),
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: css("--text") },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--quiet"), activecolor: css("--text") },
      hoverlabel: { bgcolor: css("--ground"), bordercolor: css("--muted"), font: { color: css("--text") } },
      xaxis: { ...layout.xaxis, ...axis },
      yaxis: { ...layout.yaxis, ...axis, showspikes: false },
      shapes: (layout.shapes || []).map((shape) => ({ ...shape, line: { ...shape.line, color: css("--muted") } })),
    };
  }

  const chosen = (figure) => Number(figure.querySelector("select")?.value ?? 0);

  async function draw(figure) {
    const panel = mirl.figures[figure.dataset.figure][chosen(figure)];
    const config = {
      displaylogo: false,
      responsive: true,
      displayModeBar: innerWidth > 700 && "hover",
      modeBarButtons: [["toImage", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
      toImageButtonOptions: { format: "svg", filename: figure.dataset.name },
    };
    figure.classList.add("drawn"); // first, so that the plot has its width
    const plot = figure.querySelector(".plot");
    await Plotly.react(plot, panel.data.map(coloured), themed(panel.layout), config);
    figure.dataset.drawn = panel.data.length;
  }

  function load(figure) {
    const script = document.createElement("script");
    script.src = `figures/${figure.dataset.figure}.js`;
    script.onload = () => draw(figure).then(() => listen(figure));
    document.head.append(script);
  }

  function listen(figure) {
    const select = figure.querySelector("select");
    if (!select) return;
    figure.querySelector(".choice").hidden = false;
    select.addEventListener("change", () => draw(figure));
    const plot = figure.querySelector(".plot");
    plot.tabIndex = 0;
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      read(figure, plot, step);
    });
    plot.addEventListener("blur", () => { Plotly.Fx.unhover(plot); figure.querySelector("output").textContent = ""; });
  }

  // Move the reading by one point and say every method's value there.
  function read(figure, plot, step) {
    const means = plot.data.filter((trace) => trace.customdata);
    const longest = Math.max(...means.map((trace) => trace.x.length));
    const before = Number(figure.dataset.point ?? (step > 0 ? -1 : longest));
    const point = Math.min(Math.max(before + step, 0), longest - 1);
    figure.dataset.point = point;
    const here = means.filter((trace) => point < trace.x.length);
    Plotly.Fx.hover(plot, { xval: here[0].x[point] }, ["xy"]);
    const spoken = here.map((trace) => `${trace.name} ${trace.y[point]?.toPrecision(4) ?? "no value"}${trace.customdata[point][0]}`);
    figure.querySelector("output").textContent = `${here[0].x[point].toLocaleString("en")} steps: ${spoken.join("; ")}`;
  }

  const figures = [...document.querySelectorAll("figure[data-figure]")];
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) { seen.unobserve(target); load(target); }
    }
  }, { rootMargin: "300px" });
  figures.forEach((figure) => seen.observe(figure));

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    figures.filter((figure) => figure.dataset.drawn).forEach(draw);
  });

  // A film plays while it is seen, unless the reader wants no motion or has stopped it.
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const films = [...document.querySelectorAll(".film video")];
  function halt(film) {
    if (film.paused) return;
    film.dataset.halted = "by us";
    film.pause();
  }
  const watched = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) halt(target);
      else if (!calm.matches && !target.dataset.stopped) target.play().catch(() => {}); // a browser may forbid it
    }
  }, { threshold: 0.5 });
  for (const film of films) {
    watched.observe(film);
    film.addEventListener("play", () => { delete film.dataset.stopped; });
    film.addEventListener("pause", () => {
      if (!film.dataset.halted) film.dataset.stopped = "by the reader";
      delete film.dataset.halted;
    });
  }
  calm.addEventListener("change", () => { if (calm.matches) films.forEach(halt); });

  // A link from the overview may lead into a fold; paper has no folds at all.
  function unfold() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target?.closest("details");
    if (fold) { fold.open = true; target.scrollIntoView(); }
  }
  addEventListener("hashchange", unfold);
  unfold();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((fold) => { fold.open = false; }));
})();
