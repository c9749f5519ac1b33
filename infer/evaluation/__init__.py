"""From embeddings and relevance to figures, intervals, tables and pages."""
