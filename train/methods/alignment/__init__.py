"""How sketches, images and texts are aligned in training: tuples, fusion and their losses."""
