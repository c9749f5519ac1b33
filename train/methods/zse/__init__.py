"""`zse`: ZSE-SBIR's losses and sampling, with visual-visual cross-attention (Lin et al. 2023)."""
