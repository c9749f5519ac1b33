"""Indexes as other libraries' files, and back: nobody is locked in."""
