"""ZSCRGAN (Roy, Verma, Ghosh and Ghosh, CIKM 2020): text -> image by expectation-maximisation.

E-step: a text encoder and a GAN imagine the image feature of a text. M-step: the common-space
mapper (CSEM) learns to bring imagined features and texts together. `improved` is the method
`zscrgan`, `reference` is `zscrgan-reference`; networks, losses, noise and batches are shared.
"""
