"""From a pretrained dual encoder to a bundle, with proof that it embeds as its authors' does."""
