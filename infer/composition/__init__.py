"""Queries of several fields, such as an image and a text: how their parts become one ranking."""
