"""`cmaan`: sketch → image retrieval, with language in training alone (Su et al., 2024)."""
