"""Descriptions of the classes that are trained on, asked of a language model or given."""
