"""ZSCRGAN with honest selection and an EM procedure made for about a hundred classes."""
