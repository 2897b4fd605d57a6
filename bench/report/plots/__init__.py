"""The plots of the page, as Vega-Lite."""
