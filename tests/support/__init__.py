"""What several test folders share: real things, built small."""
