"""What computes a graph: feeds in, arrays out."""
