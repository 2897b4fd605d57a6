"""What records say: statistics, doubts, costs, limits, figures by step, comparisons."""
