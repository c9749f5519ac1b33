"""`zse`: sketch → image by cross-attention of both (ZSE-SBIR), the ancestor of `cmaan`."""
