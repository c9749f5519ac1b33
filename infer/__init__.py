"""The runtime: encoders, bundles, index, search, metrics. Never imports torch."""
