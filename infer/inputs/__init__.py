"""From the fields of queries to the arrays that a graph takes, as its manifest says."""
