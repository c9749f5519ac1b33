"""Cross-attention, relation network and tuples: what `cmaan` and `zse` share."""
