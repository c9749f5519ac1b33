"""Exact search on a GPU: one product with all rows in float16, the best again in more digits."""
