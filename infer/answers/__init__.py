"""What a query found: the types, and how they are written for people and programs."""
