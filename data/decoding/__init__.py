"""Files of images to upright RGB: formats, orientation, modes, small mending, and memory."""
