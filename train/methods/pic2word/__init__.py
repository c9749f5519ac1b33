"""`pic2word`: a mapper that turns an image into a word of a sentence (Saito et al. 2023)."""
