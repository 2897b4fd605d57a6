// The plots, by Vega, whose script stands before this one where the page has any.
const colours = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `var(--c${number})`); // dark, light and print need no second drawing
const options = {
  mode: "vega-lite", renderer: "svg", actions: false, defaultStyle: false, tooltip: { disableDefaultStyle: true },
  ast: true, // expressions are interpreted: compiling them is what the page's policy forbids
  config: {
    background: null, font: "system-ui, sans-serif", view: { stroke: null },
    axis: {
      labelColor: "var(--soft)", titleColor: "var(--soft)", gridColor: "var(--rule)", domainColor: "var(--faint)",
      tickColor: "var(--faint)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", titlePadding: 10,
      labelLimit: innerWidth < 600 ? 140 : 260, gridOpacity: 0.7,
    },
    axisY: { domain: false, ticks: false, labelPadding: 8 },
    legend: {
      labelColor: "var(--ink)", titleColor: "var(--soft)", labelFontSize: 12, titleFontSize: 12, orient: "top",
      titleFontWeight: "normal", columns: innerWidth < 600 ? 2 : 4, offset: 12,
      symbolBaseFillColor: "var(--ink)", symbolBaseStrokeColor: "var(--ink)",
      layout: { top: { direction: innerWidth < 600 ? "vertical" : "horizontal", anchor: "start", margin: 12 } },
    },
    text: { color: "var(--ink)", fontSize: 12 },
    range: { category: colours, ordinal: colours },
  },
};
const specs = JSON.parse(document.getElementById("plots")?.textContent ?? "[]");

// A plot of what the filters ask for, as high as its rows need; null where nothing of it is left.
function filtered(spec) {
  const asked = FACETS.map((facet) => [facet, state.read().get(`f.${facet}`)]).filter(([, value]) => value);
  if (!asked.length) return spec;
  const all = [], left = [];
  const keep = (values) => values.filter((one) => {
    const is = asked.every(([facet, value]) => (one.facets?.[facet] ?? value) === value);
    if (one.facets) { all.push(one); if (is) left.push(one); }
    return is;
  });
  const of = (part) => ({ ...part, ...part.data?.values ? { data: { values: keep(part.data.values) } } : {}, ...part.layer ? { layer: part.layer.map(of) } : {} });
  const made = of(spec), rows = (ones) => new Set(ones.map((one) => one.row)).size;
  return all.length && !left.length ? null : { ...made, height: Math.ceil(spec.height * rows(left) / rows(all)) || spec.height };
}

async function drawn(place) { // when it comes near the window, for a page may have hundreds, and when the filters change
  const number = Number(place.id.slice("plot-".length)), spec = specs[number] && filtered(specs[number]);
  if (!specs[number]) return;
  place.dataset.drawn = "yes";
  if (!spec) { place.replaceChildren(el("p", { class: "soft" }, "Nothing of this plot passes the filters.")); return; }
  try { await vegaEmbed(place, spec, options); }
  catch (error) { place.textContent = `This plot could not be drawn (${error.message}); the tables have its numbers.`; }
}

const places = [...document.querySelectorAll(".chart")], near = new IntersectionObserver((seen) => {
  for (const one of seen) if (one.isIntersecting) { near.unobserve(one.target); drawn(one.target); }
}, { rootMargin: "800px" });
places.forEach((place) => {
  const { height } = specs[Number(place.id.slice("plot-".length))] ?? {};
  if (height) place.style.minHeight = `${height + 70}px`; // so that nothing jumps when it is drawn
  near.observe(place);
});
document.addEventListener("filtered", () => places.filter((place) => place.dataset.drawn).forEach(drawn));
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details.subject, details.part")) one.open = true;
  places.filter((place) => !place.dataset.drawn).forEach(drawn);
});
