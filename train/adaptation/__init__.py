"""`zscr adapt`: a trained run adapted to a gallery of unlabelled images, and names of these."""
