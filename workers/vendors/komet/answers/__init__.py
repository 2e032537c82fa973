"""What Komet's answers hold: the envelope, and values of any type."""
