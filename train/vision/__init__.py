"""Image towers that are trained on: pooled features and tokens, frozen below a cut."""
