"""What an artefact or a file of one is, for people who found it."""
