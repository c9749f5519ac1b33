"""The pickles that ZSCRGAN's authors published, read by a process of its own."""
