"""Finding images in folders: words to a query, indexes kept in the user's home, one answer."""
