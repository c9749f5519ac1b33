"""What a trained model must beat on the same features."""
