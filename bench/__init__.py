"""`make bench`: speed as ratios to baselines taken in the same run, on a cluster of its own in var/bench.

One module per group of figures; each puts its lines on the report. Nothing here is imported by the product.
"""
