"""Models of a hub: fetched by name, pinned to a revision, checked by hash."""
