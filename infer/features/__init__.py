"""Features of frozen encoders: the table type, the cache, and the tables of a split."""
