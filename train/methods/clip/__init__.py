"""`clip`: a dual encoder trained on pairs of images and texts; docs/clip.md has its algebra."""
