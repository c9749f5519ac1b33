"""ZSCRGAN as its released code computes it; README.md here has the algebra of its speed."""
