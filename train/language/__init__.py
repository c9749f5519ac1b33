"""Frozen text towers that take word vectors, so that a picture can stand for a word."""
