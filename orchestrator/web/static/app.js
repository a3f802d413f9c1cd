// The page works without this file. With it, parts stay up to date, charts can be zoomed, and keys move.
"use strict";
(() => {
  const main = document.getElementById("main");
  const light = document.getElementById("live");
  const said = document.getElementById("said");
  const plots = new Map(); // by figure

  // --- Live parts: the server sends each part that has changed --------------------------------------------------

  let source = null;

  function listen(has) {
    leave();
    if (main.dataset.has === undefined || document.hidden) return;
    const query = new URLSearchParams(location.search);
    query.set("has", has || "");
    source = new EventSource(`/live${location.pathname}?${query}`);
    source.onopen = () => show("on", "live");
    source.onerror = () => {
      show("off", "no connection");
      if (source && source.readyState === EventSource.CLOSED) setTimeout(() => source && listen(), 5000);
    };
    source.addEventListener("part", (event) => {
      const { key, html } = JSON.parse(event.data);
      const part = main.querySelector(`[data-part="${CSS.escape(key)}"]`);
      if (part) put(part, html);
    });
    source.addEventListener("parts", (event) => put(document.getElementById("parts"), JSON.parse(event.data).html));
  }

  function leave() {
    if (source) source.close();
    source = null;
  }

  function show(name, text) {
    light.hidden = false;
    light.className = name;
    light.textContent = text;
  }

  // What the reader has opened, picked, scrolled to, zoomed and focused stays as it is.
  function put(part, html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    keepCharts(part, fresh.content);
    const open = states(part, "details", (each) => each.open);
    const filled = states(part, "input[id], textarea[id]", (each) => [each.checked, each.value]);
    const left = states(part, ".scroll", (each) => each.scrollLeft);
    const focused = part.contains(document.activeElement) && document.activeElement.id;
    part.replaceChildren(fresh.content);
    restore(part, "details", open, (each, value) => (each.open = value));
    restore(part, "input[id], textarea[id]", filled, (each, value) => ([each.checked, each.value] = value));
    restore(part, ".scroll", left, (each, value) => (each.scrollLeft = value));
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
    draw(part);
    announce();
  }

  const nameOf = (each, place) => each.id || `${each.firstElementChild && each.firstElementChild.textContent}`.slice(0, 40) || place;

  function states(part, selector, state) {
    return new Map([...part.querySelectorAll(selector)].map((each, place) => [nameOf(each, place), state(each)]));
  }

  function restore(part, selector, known, set) {
    [...part.querySelectorAll(selector)].forEach((each, place) => {
      const name = nameOf(each, place);
      if (known.has(name)) set(each, known.get(name));
    });
  }

  // Screen readers hear the heading when it changes: "Run drone: succeeded".
  let heading = "";
  function announce() {
    const found = (main.querySelector("h1") || main).textContent.trim();
    if (main.querySelector("h1") && found !== heading) {
      if (heading) {
        said.textContent = found;
        document.title = `${found} · ftorch`;
      }
      heading = found;
    }
  }

  // A hidden page needs no stream, and a browser keeps only six open to one server.
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && listen());

  // --- Charts: drawn from the points that the SVG was drawn from --------------------------------------------------

  const style = (name, of = document.documentElement) => getComputedStyle(of).getPropertyValue(name).trim();

  function draw(part) {
    for (const [figure, plot] of plots) if (!figure.isConnected) drop(figure, plot);
    for (const figure of part.querySelectorAll("figure[data-chart]")) if (!plots.has(figure)) make(figure);
  }

  function drop(figure, plot) {
    plot.destroy();
    plots.delete(figure);
    sizes.unobserve(figure);
  }

  function keepCharts(part, fresh) {
    const known = [...part.querySelectorAll("figure[data-chart]")].filter((figure) => plots.has(figure));
    for (const next of fresh.querySelectorAll("figure[data-chart]")) {
      const chart = JSON.parse(next.dataset.chart);
      const same = known.find((figure) => plots.get(figure).signature === signatureOf(chart));
      if (!same) continue;
      known.splice(known.indexOf(same), 1);
      same.querySelector("svg").replaceWith(next.querySelector("svg"));
      same.dataset.chart = next.dataset.chart;
      next.replaceWith(same);
      grow(plots.get(same), chart);
    }
  }

  const signatureOf = (chart) => JSON.stringify([chart.title, chart.x, chart.y, chart.series]);

  function grow(plot, chart) {
    const [places] = plot.data;
    const isZoomed = plot.scales.x.min > places[0] || plot.scales.x.max < places[places.length - 1];
    plot.marks = chart.marks;
    plot.setData(chart.data, !isZoomed);
    if (isZoomed) plot.redraw();
  }

  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = plots.get(target);
      if (plot && Math.abs(plot.width - target.clientWidth) > 1) plot.setSize(sizeOf(target));
    }
  });

  const sizeOf = (figure) => ({ width: figure.clientWidth, height: figure.clientWidth < 500 ? 240 : 300 });

  function make(figure) {
    const chart = JSON.parse(figure.dataset.chart);
    const axis = { stroke: style("--soft"), grid: { stroke: style("--rule"), width: 1 }, ticks: { stroke: style("--rule"), width: 1 } };
    const scale = (of) => (of.log ? { distr: 3, time: false } : { time: false });
    const plot = new uPlot(
      {
        ...sizeOf(figure),
        scales: { x: scale(chart.x), y: scale(chart.y) },
        axes: [{ ...axis, label: chart.x.label }, { ...axis, label: chart.y.label, size: 60 }],
        series: [{ label: chart.x.label }, ...chart.series.map((each) => line(each, figure, chart.data[0].length))],
        legend: { show: chart.series.length <= 8 },
        hooks: { draw: [drawMarks] },
      },
      chart.data,
      (self, start) => {
        self.marks = chart.marks;
        self.signature = signatureOf(chart);
        self.root.ariaHidden = "true"; // the SVG stays, for those who do not see the drawing
        figure.append(self.root);
        start();
      },
    );
    figure.classList.add("drawn");
    plots.set(figure, plot);
    sizes.observe(figure);
  }

  function line(series, figure, points) {
    const sample = document.createElement("i");
    sample.className = series.class;
    figure.append(sample);
    const stroke = style("--c", sample) || style("--mark");
    sample.remove();
    const width = series.strong ? 2.5 : series.pale ? 1 : 1.5;
    const alpha = series.pale ? 0.35 : 1;
    return { label: series.label, stroke, width, alpha, spanGaps: true, points: { show: points < 60, size: 5 }, value: (_, y) => (y === null ? "–" : y.toPrecision(4)) };
  }

  function drawMarks(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = style("--ink");
    ctx.fillStyle = style("--paper");
    ctx.lineWidth = devicePixelRatio;
    for (const mark of plot.marks || []) {
      const x = plot.valToPos(mark.x, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      if (mark.y === null) {
        ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
      } else {
        ctx.setLineDash([]);
        ctx.arc(x, plot.valToPos(mark.y, "y", true), 4.5 * devicePixelRatio, 0, 7);
        ctx.fill();
      }
      ctx.stroke();
    }
    ctx.restore();
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const [figure, plot] of [...plots]) {
      drop(figure, plot);
      make(figure);
    }
  });

  // --- Keys ----------------------------------------------------------------------------------------------------------

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input:not([type=checkbox]), select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") {
      event.preventDefault();
      (document.getElementById("q") || document.getElementById("find")).focus();
    } else if (event.key === "j" || event.key === "k") {
      move(event.key === "j" ? 1 : -1);
    }
  });

  function move(by) {
    const rows = [...main.querySelectorAll("tbody tr")].map((each) => each.querySelector("a")).filter(Boolean);
    const now = rows.findIndex((each) => each.closest("tr").contains(document.activeElement));
    const next = rows[now < 0 ? (by > 0 ? 0 : rows.length - 1) : now + by];
    if (next) next.focus();
  }

  // --- The filter: its address has what is filled in, and the stream follows the address -------------------------

  addEventListener("htmx:configRequest", (event) => {
    for (const [name, value] of [...event.detail.formData]) if (value === "") event.detail.formData.delete(name);
  });
  addEventListener("htmx:pushedIntoHistory", () => listen());

  for (const each of document.querySelectorAll(".keys")) each.hidden = false;
  announce();
  draw(document);
  listen(main.dataset.has);
})();
