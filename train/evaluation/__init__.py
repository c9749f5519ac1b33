"""`zscr evaluate`: the same figures for a run, by torch, and for a bundle, by its runtime."""
