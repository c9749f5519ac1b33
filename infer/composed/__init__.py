"""Answering queries of several fields over an index, by the bundle's compositions."""
