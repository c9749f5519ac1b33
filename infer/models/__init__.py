"""The models of a user: bundles that every command finds by their name."""
