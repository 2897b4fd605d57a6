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
      labelLimit: innerWidth < 600 ? 120 : 260, gridOpacity: 0.7,
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

async function drawn(place) { // once, when it comes near the window: a page may have hundreds
  const number = Number(place.id.slice("plot-".length));
  if (!specs[number] || place.dataset.drawn) return;
  place.dataset.drawn = "yes";
  try { await vegaEmbed(place, specs[number], options); }
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
addEventListener("beforeprint", () => places.forEach(drawn));
