"""Retrieval methods, a package each; `contract` is what they keep, `registry` finds them."""
