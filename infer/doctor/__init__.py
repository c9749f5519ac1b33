"""What this machine is, what will run on it and how fast, and what is missing."""
