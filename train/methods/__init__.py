"""One module a method; see `registry` for the contract."""
