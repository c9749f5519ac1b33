"""`cmaan`: sketches and images in one space, with language in training alone; docs/cmaan.md."""
